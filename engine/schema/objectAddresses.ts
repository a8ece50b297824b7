import type { Client } from "pg";
import { mayLookInto } from "../sql/catalogName";
import type { Subject } from "../sql/definition";
import { nameOfParts, sqlOfType } from "../sql/treeNames";

/** A row of a system catalog. */
export interface ObjectAddress {
  /** `pg_class`, `pg_proc`, `pg_trigger`; any catalog for what depends on something. */
  readonly catalog: string;
  readonly oid: string;
}

/** A view, routine or trigger by name; without argument types all routines of the name. */
export interface ObjectName {
  readonly kind: "view" | "routine" | "trigger";
  readonly schema: string | null;
  readonly name: string;
  readonly types: readonly { readonly sql: string; readonly schema: string | null }[] | null;
  readonly tableSchema: string | null;
  readonly table: string | null;
}

export function nameOfDefinition({ kind, name, argumentTypes, table }: Subject): ObjectName {
  const types = argumentTypes?.map((type) => ({
    sql: sqlOfType(type),
    schema: nameOfParts(type.names ?? []).schema ?? null,
  }));
  return {
    kind,
    schema: name.schema ?? null,
    name: name.name,
    types: types ?? null,
    tableSchema: table?.schema ?? null,
    table: table?.name ?? null,
  };
}

/**
 * Which of these objects there are; names without a schema follow search_path.
 * @returns each with the index of its name
 */
export async function addressesOf(
  client: Client,
  names: readonly ObjectName[],
): Promise<(ObjectAddress & { readonly index: number })[]> {
  if (names.length === 0) return [];
  const asked = names.map((name, index) => ({ ...name, index }));
  const { rows } = await client.query<ObjectAddress & { index: number }>(addressesQuery, [
    JSON.stringify(asked),
  ]);
  return rows;
}

/** SQL: whether a relation is the one that a statement means. */
const isMeant = (schema: string): string =>
  `CASE WHEN ${schema} IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = ${schema} END`;

const addressesQuery = `
  WITH asked AS (
    SELECT * FROM pg_catalog.json_to_recordset($1) AS a ("index" integer, kind text, schema text,
      name text, types json, "tableSchema" text, "table" text)),
  routines AS (
    SELECT a.*, (SELECT coalesce(string_agg(
                          CASE WHEN ${mayLookInto("t.schema")}
                            THEN coalesce(to_regtype(t.sql)::oid, 0) ELSE 0 END::text,
                          ' ' ORDER BY t.place), '')
                   FROM ROWS FROM (json_to_recordset(a.types) AS (sql text, schema text))
                        WITH ORDINALITY AS t (sql, schema, place)) AS arguments
      FROM asked a WHERE a.kind = 'routine')
  SELECT a.index, 'pg_class' AS catalog, c.oid::text
    FROM asked a JOIN pg_catalog.pg_class c ON c.relname = a.name AND c.relkind = 'v'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE a.kind = 'view' AND ${isMeant("a.schema")}
  UNION ALL
  SELECT a.index, 'pg_proc', p.oid::text
    FROM routines a JOIN pg_catalog.pg_proc p ON p.proname = a.name AND p.prokind <> 'a'
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
   WHERE CASE WHEN a.schema IS NULL THEN pg_catalog.pg_function_is_visible(p.oid)
              ELSE n.nspname = a.schema END
     AND (a.types IS NULL OR p.proargtypes::text = a.arguments)
  UNION ALL
  SELECT a.index, 'pg_trigger', t.oid::text
    FROM asked a JOIN pg_catalog.pg_trigger t ON t.tgname = a.name AND NOT t.tgisinternal
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid AND c.relname = a.table
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE a.kind = 'trigger' AND ${isMeant('a."tableSchema"')}`;
