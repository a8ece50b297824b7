import type { Client } from "pg";
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
 * SQL: whether the schema in a column is none or one that this role may look into. PostgreSQL would
 * refuse the look itself; instead it refuses the statement, at its place in the file.
 */
export function mayLookInto(column: string): string {
  return `coalesce(has_schema_privilege(to_regnamespace(quote_ident(${column}))::oid, 'USAGE'), true)`;
}
