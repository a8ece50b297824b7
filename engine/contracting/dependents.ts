import type { Client } from "pg";
import { oldColumnsOf, type Sync } from "../files/syncFile";
import type { SyncTable } from "../sync/syncTable";
import { printable } from "../sql/sourceText";

/** The old columns of a sync, in the catalog's own names. */
export interface OldColumns {
  /** Schema and name, quoted. */
  readonly table: string;
  /** The table's name alone, as it is. */
  readonly tableName: string;
  readonly columns: readonly string[];
}

export function oldColumns(sync: Sync, table: SyncTable): OldColumns {
  return { table: table.sql, tableName: table.name, columns: oldColumnsOf(sync) };
}

/**
 * Views and functions that name an old column: for people, each with its kind. Views and functions
 * of SQL say what they use in the catalog; of a function that is a text only its words are known.
 */
export async function dependentsOf(
  client: Client,
  { table, tableName, columns }: OldColumns,
): Promise<{ readonly name: string; readonly shown: string }[]> {
  const { rows } = await client.query<{ name: string; shown: string }>(
    `WITH used AS (
       SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $1::regclass
          AND a.attname::text = ANY ($3)),
     texts AS (
       SELECT p.oid, regexp_replace(regexp_replace(p.prosrc, '/\\*.*?\\*/', ' ', 'g'),
                                      '--[^\\n]*', ' ', 'g') AS source
         FROM pg_catalog.pg_proc p
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'stateful_cd')
          AND l.lanname NOT IN ('internal', 'c') AND p.prosqlbody IS NULL
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                           WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
                             AND d.deptype = 'e')),
     functions AS (
       SELECT u.objid AS oid FROM used u WHERE u.classid = 'pg_catalog.pg_proc'::regclass
       UNION
       SELECT t.oid FROM texts t
        WHERE (t.source ~* ('\\m' || $2::text || '\\M')
               OR EXISTS (SELECT FROM pg_catalog.pg_trigger g
                           WHERE g.tgfoid = t.oid AND g.tgrelid = $1::regclass))
          AND EXISTS (SELECT FROM unnest($4::text[]) word WHERE t.source ~* ('\\m' || word || '\\M')))
     SELECT c.relname::text AS name,
            format('%s %I.%I', CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END,
                   n.nspname, c.relname) AS shown
       FROM used u JOIN pg_catalog.pg_rewrite w
            ON u.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = u.objid
       JOIN pg_catalog.pg_class c ON c.oid = w.ev_class AND c.oid <> $1::regclass
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     UNION
     SELECT p.proname::text,
            format('function %I.%I(%s)', n.nspname, p.proname,
                   pg_catalog.pg_get_function_identity_arguments(p.oid))
       FROM functions f JOIN pg_catalog.pg_proc p ON p.oid = f.oid
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname <> 'stateful_cd'
      ORDER BY 2`,
    [table, wordPattern(tableName), columns, columns.map(wordPattern)],
  );
  return rows.map(({ name, shown }) => ({ name, shown: printable(shown) }));
}

/** A name as a part of a regular expression that means nothing but itself. */
export function wordPattern(name: string): string {
  return name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
