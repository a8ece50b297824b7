import type { Client, QueryResult, QueryResultRow } from "pg";
import type { QualifiedName } from "./treeNames";

/** A name as SQL, quoted. */
export function quoted(client: Client, { schema, name }: QualifiedName): string {
  const quotedName = client.escapeIdentifier(name);
  return schema === undefined ? quotedName : `${client.escapeIdentifier(schema)}.${quotedName}`;
}

/** The OID of a relation, by search_path where the statement gives no schema; null when none. */
export async function relationOf(client: Client, name: QualifiedName): Promise<string | null> {
  const { rows } = await client.query<{ oid: string | null }>(
    "SELECT to_regclass($1)::oid::text AS oid",
    [quoted(client, name)],
  );
  return rows[0]?.oid ?? null;
}

/**
 * What PostgreSQL writes of types and expressions leaves out each schema that is on search_path. This
 * finds an object by the search_path that holds, and reads of it with every name written out, so that
 * the text means the same wherever it is run. In a transaction or outside of one.
 * @param find SQL: the object's OID
 * @param read a query of one row, given the OID as SQL
 * @returns undefined when there is no such object
 */
export async function readWithSchemas<T>(
  client: Client,
  find: string,
  read: (oid: string) => string,
): Promise<T | undefined> {
  const { rows } = await client.query<{ oid: string | null; path: string }>(
    `SELECT (${find})::oid::text AS oid, current_setting('search_path') AS path`,
  );
  const [found] = rows;
  if (found === undefined || found.oid === null) return undefined;
  // One message is one transaction where none is open.
  const results: unknown = await client.query(
    `SELECT set_config('search_path', 'pg_catalog', true);
     ${read(`${found.oid}::oid`)};
     SELECT set_config('search_path', ${client.escapeLiteral(found.path)}, true)`,
  );
  const [, result] = results as QueryResult<T & QueryResultRow>[];
  return result?.rows[0];
}

/**
 * SQL: whether the schema in a column is none or one that this role may look into. PostgreSQL would
 * refuse the look itself; instead it refuses the statement, at its place in the file.
 */
export function mayLookInto(column: string): string {
  return `coalesce(has_schema_privilege(to_regnamespace(quote_ident(${column}))::oid, 'USAGE'), true)`;
}
