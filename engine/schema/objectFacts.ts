import type { Client } from "pg";
import type { ObjectAddress } from "./objectAddresses";

/** A right that somebody other than the owner has. */
export interface ObjectGrant {
  /** As SQL: quoted, or PUBLIC. */
  readonly to: string;
  readonly privilege: string;
  readonly mayGrant: boolean;
  /** As SQL; empty for the object as a whole. */
  readonly column: string;
}

export interface ObjectComment {
  /** As COMMENT ON names it: `VIEW public.stock_list`. */
  readonly on: string;
  readonly text: string;
}

/** What a view, routine or trigger is; names, never OIDs, so that a copy of the database has the same. */
export interface ObjectFacts extends ObjectAddress {
  readonly kind: "view" | "routine" | "trigger";
  readonly schema: string;
  readonly name: string;
  /** The table of a trigger. */
  readonly table: string | null;
  /** For people, and as the schema fingerprint has it: `view public.stock_list`. */
  readonly object: string;
  /**
   * What makes it the same object to PostgreSQL: of a routine the types that go in, not the names of
   * its arguments, and not whether it is a function or a procedure.
   */
  readonly identity: string;
  /** As DDL names it: `VIEW public.stock_list`, `TRIGGER t ON public.stock`. */
  readonly ddl: string;
  /** As SQL; null for a trigger, which is its table's. */
  readonly owner: string | null;
  /** As PostgreSQL writes it down. */
  readonly definition: string;
  /** As SQL. */
  readonly columns: readonly string[];
  readonly grants: readonly ObjectGrant[];
  readonly comments: readonly ObjectComment[];
}

/**
 * Reads what objects are. Within a transaction: names are written out as under search_path =
 * pg_catalog, which is what it was again afterwards.
 */
export async function readObjects(
  client: Client,
  addresses: readonly ObjectAddress[],
): Promise<ObjectFacts[]> {
  if (addresses.length === 0) return [];
  const before = await client.query<{ path: string }>(
    "SELECT current_setting('search_path') AS path, set_config('search_path', 'pg_catalog', true)",
  );
  const { rows } = await client.query<ObjectFacts>(factsQuery, [JSON.stringify(addresses)]);
  await client.query("SELECT set_config('search_path', $1, true)", [before.rows[0]?.path ?? ""]);
  return rows;
}

const grantsOf = (acl: string, owner: string, column: string): string => `
  SELECT coalesce(quote_ident(g.rolname), 'PUBLIC') AS "to", e.privilege_type AS privilege,
         e.is_grantable AS "mayGrant", ${column} AS "column"
    FROM aclexplode(${acl}) e LEFT JOIN pg_roles g ON g.oid = e.grantee
   WHERE e.grantee <> ${owner}`;

const listed = (query: string, order: string): string =>
  `coalesce((SELECT json_agg(row_to_json(x) ORDER BY ${order}) FROM (${query}) x), '[]')`;
const grantOrder = `x."column", x."to", x.privilege`;

const factsQuery = `
  WITH asked AS (
    SELECT a.catalog, a.oid FROM json_to_recordset($1) AS a (catalog text, oid oid))
  SELECT a.catalog, a.oid::text, 'view' AS kind, n.nspname::text AS schema, c.relname::text AS name,
         NULL AS "table", format('view %I.%I', n.nspname, c.relname) AS object,
         format('%I.%I', n.nspname, c.relname) AS identity,
         format('VIEW %I.%I', n.nspname, c.relname) AS ddl,
         quote_ident(pg_get_userbyid(c.relowner)) AS owner,
         concat_ws(' ', 'with ' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) o),
                   pg_get_viewdef(c.oid)) AS definition,
         (SELECT coalesce(json_agg(quote_ident(attname) ORDER BY attnum), '[]') FROM pg_attribute
           WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
         ${listed(
           `${grantsOf("coalesce(c.relacl, acldefault('r', c.relowner))", "c.relowner", "''")}
            UNION ALL
            SELECT f.* FROM pg_attribute t CROSS JOIN LATERAL (${grantsOf("t.attacl", "c.relowner", "quote_ident(t.attname)")}) f
             WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL`,
           grantOrder,
         )} AS grants,
         ${listed(
           `SELECT CASE d.objsubid WHEN 0 THEN format('VIEW %I.%I', n.nspname, c.relname)
                     ELSE (SELECT format('COLUMN %I.%I.%I', n.nspname, c.relname, t.attname)
                             FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attnum = d.objsubid) END AS "on",
                   d.description AS text
              FROM pg_description d WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass`,
           `x."on"`,
         )} AS comments
    FROM asked a JOIN pg_class c ON a.catalog = 'pg_class' AND c.oid = a.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL
  SELECT a.catalog, a.oid::text, 'routine', n.nspname::text, p.proname::text, NULL,
         lower(s.word) || ' ' || s.signature,
         format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
         s.word || ' ' || s.signature,
         quote_ident(pg_get_userbyid(p.proowner)), pg_get_functiondef(p.oid), '[]',
         ${listed(
           grantsOf("coalesce(p.proacl, acldefault('f', p.proowner))", "p.proowner", "''"),
           grantOrder,
         )},
         ${listed(
           `SELECT s.word || ' ' || s.signature AS "on", d.description AS text
              FROM pg_description d WHERE d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass`,
           `x."on"`,
         )}
    FROM asked a JOIN pg_proc p ON a.catalog = 'pg_proc' AND p.oid = a.oid
    JOIN pg_namespace n ON n.oid = p.pronamespace
   CROSS JOIN LATERAL (SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END AS word,
     format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS signature) s
  UNION ALL
  SELECT a.catalog, a.oid::text, 'trigger', n.nspname::text, t.tgname::text, c.relname::text,
         format('trigger %I on %I.%I', t.tgname, n.nspname, c.relname),
         format('%I on %I.%I', t.tgname, n.nspname, c.relname),
         format('TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname), NULL,
         pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text, '[]', '[]',
         ${listed(
           `SELECT format('TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname) AS "on", d.description AS text
              FROM pg_description d WHERE d.objoid = t.oid AND d.classoid = 'pg_trigger'::regclass`,
           `x."on"`,
         )}
    FROM asked a JOIN pg_trigger t ON a.catalog = 'pg_trigger' AND t.oid = a.oid
    JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   ORDER BY object`;
