import type { Client } from "pg";
import { quoted, readWithSchemas } from "../sql/catalogName";
import { syncTriggerPrefix } from "./syncNames";

export interface SyncColumn {
  readonly name: string;
  /** As SQL writes it, with its length or precision. */
  readonly type: string;
  /** The same without, for a cast that keeps every value as it is. */
  readonly baseType: string;
  /** The expression of its default. */
  readonly default: string | null;
  readonly notNull: boolean;
  readonly hasLength: boolean;
  /** Why a trigger that fills it would be wrong; null when it would be right. */
  readonly flaw: string | null;
}

/** What the live catalog says of a table that takes part in a sync. */
export interface SyncTable {
  /** Schema and name, quoted. */
  readonly sql: string;
  /** Schema and name for people. */
  readonly shown: string;
  readonly schema: string;
  readonly name: string;
  readonly isOrdinary: boolean;
  readonly columns: readonly SyncColumn[];
  /** The columns of the primary key, or of another unique key without NULLs; empty without any. */
  readonly key: readonly { readonly name: string; readonly type: string }[];
  /** The columns of each unique index that a foreign key may refer to. */
  readonly unique: readonly (readonly string[])[];
  /** The first column of each index of all rows. */
  readonly leading: readonly string[];
  /** Triggers that change a row after the sync's own have looked at it. */
  readonly laterTriggers: readonly string[];
  /** Triggers of others that see a row before an update of it is made. */
  readonly updateTriggers: readonly string[];
  /** Whether an update fires any trigger of the application, whatever its time. */
  readonly isTriggered: boolean;
  /** Rules that put something else in an update's place, or beside it. */
  readonly updateRules: readonly string[];
  /** Whether policies of row-level security would hide rows of it from this session. */
  readonly isFiltered: boolean;
  /** Columns that are computed from the others. */
  readonly generated: readonly string[];
  /** How many rows the statistics say it has. */
  readonly estimatedRows: number;
}

/**
 * Types and defaults are written with their schemas, for triggers and the backfill run them under
 * another search_path.
 * @param name `table`, found by search_path, or `schema.table`; undefined when there is none
 */
export async function readSyncTable(client: Client, name: string): Promise<SyncTable | undefined> {
  const [first = "", second] = name.split(".");
  const wanted = second === undefined ? { name: first } : { schema: first, name: second };
  const prefix = client.escapeLiteral(syncTriggerPrefix);
  const read = await readWithSchemas<{ facts: SyncTable }>(
    client,
    `to_regclass(${client.escapeLiteral(quoted(client, wanted))})`,
    (oid) => `SELECT json_build_object(
       'sql', format('%I.%I', n.nspname, c.relname),
       'shown', n.nspname || '.' || c.relname,
       'schema', n.nspname,
       'name', c.relname,
       'isOrdinary', c.relkind = 'r' AND NOT c.relispartition AND NOT c.relhassubclass,
       'columns', (${columnsQuery}),
       'key', coalesce((${keyQuery}), '[]'),
       'unique', coalesce((${uniqueQuery}), '[]'),
       'leading', coalesce((${leadingQuery}), '[]'),
       'laterTriggers', coalesce((${triggersQuery(prefix)}), '[]'),
       'updateTriggers', coalesce((${updateTriggersQuery(prefix)}), '[]'),
       'isTriggered', EXISTS (${anyUpdateTrigger(prefix)}),
       'updateRules', coalesce((${updateRulesQuery}), '[]'),
       'isFiltered', row_security_active(c.oid),
       'generated', coalesce((${generatedQuery}), '[]'),
       'estimatedRows', greatest(c.reltuples, 0)) AS facts
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = ${oid}`,
  );
  return read?.facts;
}

const columnsQuery = `
  SELECT json_agg(json_build_object(
           'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
           'baseType', format_type(a.atttypid, -1),
           'default', (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
                        WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''),
           'notNull', a.attnotnull, 'hasLength', a.atttypmod <> -1,
           'flaw', CASE WHEN a.attidentity <> '' THEN 'is an identity column'
                        WHEN a.attgenerated <> '' THEN 'is a generated column'
                        WHEN a.atthasdef THEN 'has a default'
                        WHEN t.typtype = 'd' THEN 'is of a domain' END))
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`;

const usableIndex = `
  i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL`;

const namesOfKey = `
  SELECT array_agg(a.attname ORDER BY k.place)
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
   WHERE k.place <= i.indnkeyatts`;

const keyQuery = `
  SELECT (SELECT json_agg(json_build_object('name', a.attname,
                   'type', format_type(a.atttypid, a.atttypmod)) ORDER BY k.place)
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
           WHERE k.place <= i.indnkeyatts)
    FROM pg_index i
   WHERE ${usableIndex} AND i.indisunique AND i.indimmediate AND i.indexprs IS NULL
     AND NOT EXISTS (SELECT FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
   ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1`;

const uniqueQuery = `
  SELECT json_agg((${namesOfKey}))
    FROM pg_index i
   WHERE ${usableIndex} AND i.indisunique AND i.indimmediate AND i.indexprs IS NULL`;

const leadingQuery = `
  SELECT json_agg(a.attname)
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
   WHERE ${usableIndex}`;

/** Bits of pg_trigger.tgtype: 1 row, 2 before, 4 insert, 16 update (src/include/catalog/pg_trigger.h). */
const triggersQuery = (prefix: string): string => `
  SELECT json_agg(t.tgname ORDER BY t.tgname) FROM pg_trigger t
   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0
     AND t.tgname::text COLLATE "C" > ${prefix} AND NOT starts_with(t.tgname::text, ${prefix})`;

/** As above; those of row and before and update, enabled for an ordinary session. */
const updateTriggersQuery = (prefix: string): string => `
  SELECT json_agg(t.tgname ORDER BY t.tgname) FROM pg_trigger t
   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 19 = 19
     AND t.tgenabled IN ('O', 'A') AND NOT starts_with(t.tgname::text, ${prefix})`;

const anyUpdateTrigger = (prefix: string): string => `
  SELECT FROM pg_trigger t
   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 16 = 16
     AND t.tgenabled IN ('O', 'A') AND NOT starts_with(t.tgname::text, ${prefix})`;

const updateRulesQuery = `
  SELECT json_agg(r.rulename ORDER BY r.rulename) FROM pg_rewrite r
   WHERE r.ev_class = c.oid AND r.ev_type = '2' AND r.ev_enabled IN ('O', 'A')`;

const generatedQuery = `
  SELECT json_agg(a.attname) FROM pg_attribute a
   WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped`;
