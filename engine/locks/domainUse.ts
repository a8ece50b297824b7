import type { AlterDomainStmt } from "libpg-query";
import type { Client } from "pg";
import { mayLookInto, quoted } from "../sql/catalogName";
import { nameOfParts } from "../sql/treeNames";
import { secondsOf } from "./estimate";

/** Whether an ALTER DOMAIN looks at every value: ADD and VALIDATE CONSTRAINT, SET NOT NULL. */
export function readsColumns({ subtype, def }: AlterDomainStmt): boolean {
  if (subtype === "V" || subtype === "O") return true;
  return (
    subtype === "C" && !(def && "Constraint" in def && def.Constraint.skip_validation === true)
  );
}

/** Tables with columns of a domain, and how long it takes to read them all. */
export async function domainUse(
  client: Client,
  { typeName = [] }: AlterDomainStmt,
): Promise<{ tables: string[]; seconds: number }> {
  const name = nameOfParts(typeName);
  const { rows } = await client.query<{ table: string; rows: number; bytes: number }>(
    `WITH asked AS (
       SELECT CASE WHEN ${mayLookInto("schema")} THEN to_regtype(n)::oid END AS oid
         FROM (SELECT $1::text AS n, $2::text AS schema) a)
     SELECT format('%s.%s', nspname, relname) AS table, greatest(reltuples, 0)::float8 AS rows,
            coalesce(pg_relation_size(c.oid), 0)::float8 AS bytes
       FROM asked JOIN pg_attribute a ON atttypid = asked.oid AND NOT attisdropped
            JOIN pg_class c ON c.oid = attrelid AND relkind IN ('r', 'm')
            JOIN pg_namespace n ON n.oid = relnamespace
      ORDER BY 3 DESC`,
    [quoted(client, name), name.schema],
  );
  return {
    tables: rows.filter(({ bytes }) => bytes > 0).map(({ table }) => table),
    seconds: rows.reduce((sum, one) => sum + secondsOf({ kind: "scan", ...one }), 0),
  };
}
