import type { Constraint } from "libpg-query";
import type { Client } from "pg";
import type { RewritePart } from "../journal/rewrites";
import { nodesIn, textsOf } from "../sql/treeNames";
import type { TouchedRelation } from "./classification";
import { chooseName, joinedName } from "./objectNames";

/** Where a rewrite happens. */
export interface RewriteScene {
  readonly client: Client;
  readonly table: TouchedRelation;
  /** `ALTER TABLE ONLY orders`, as the author wrote it. */
  readonly head: string;
}

/**
 * SET NOT NULL: a CHECK proves it while others write, and PostgreSQL believes the CHECK instead of
 * looking itself under ACCESS EXCLUSIVE.
 */
export function notNullParts({ client, table, head }: RewriteScene, column: string): RewritePart[] {
  const check = client.escapeIdentifier(
    joinedName(`stateful_cd_${table.relation}`, column, "not_null"),
  );
  const name = client.escapeIdentifier(column);
  return [
    {
      statements: [`${head} ADD CONSTRAINT ${check} CHECK (${name} IS NOT NULL) NOT VALID`],
      alone: false,
      undo: [`${head} DROP CONSTRAINT IF EXISTS ${check}`],
    },
    { statements: [`${head} VALIDATE CONSTRAINT ${check}`], alone: false, undo: [] },
    {
      statements: [`${head} ALTER COLUMN ${name} SET NOT NULL`, `${head} DROP CONSTRAINT ${check}`],
      alone: false,
      undo: [`${head} ALTER COLUMN ${name} DROP NOT NULL`],
    },
  ];
}

/** ADD FOREIGN KEY, ADD CHECK and PostgreSQL 18's ADD NOT NULL: binding for new rows at once, proved for old ones afterwards. */
export async function constraintParts(
  scene: RewriteScene,
  constraint: Constraint,
  text: string,
): Promise<RewritePart[]> {
  const { client, head } = scene;
  const { schema, relation } = scene.table;
  const { columns, label } = namingOf(constraint);
  const name = client.escapeIdentifier(
    constraint.conname ?? (await chooseName(client, { schema, relation, columns, label })),
  );
  const command =
    constraint.conname === undefined ? text.replace(/^add\b/i, `ADD CONSTRAINT ${name}`) : text;
  return [
    {
      statements: [`${head} ${command} NOT VALID`],
      alone: false,
      undo: [`${head} DROP CONSTRAINT IF EXISTS ${name}`],
    },
    { statements: [`${head} VALIDATE CONSTRAINT ${name}`], alone: false, undo: [] },
  ];
}

function namingOf(constraint: Constraint): { columns: string[]; label: string } {
  const { contype, fk_attrs: referring, keys } = constraint;
  if (contype === "CONSTR_FOREIGN") return { columns: textsOf(referring), label: "fkey" };
  if (contype === "CONSTR_NOTNULL") return { columns: textsOf(keys), label: "not_null" };
  return { columns: onlyColumn(constraint), label: "check" };
}

/** PostgreSQL names a CHECK after its column when there is just one. */
function onlyColumn({ raw_expr: expression }: Constraint): string[] {
  const columns = nodesIn(expression, (node): node is { ColumnRef: { fields?: never[] } } => {
    return "ColumnRef" in node;
  });
  const names = new Set(columns.map(({ ColumnRef }) => textsOf(ColumnRef.fields).at(-1) ?? ""));
  return names.size === 1 ? [...names] : [];
}

/** ADD UNIQUE and ADD PRIMARY KEY: the index is built while others write, then named a constraint. */
export async function keyParts(
  scene: RewriteScene,
  constraint: Constraint,
): Promise<RewritePart[]> {
  const { client, table, head } = scene;
  const { schema, relation } = table;
  const isPrimary = constraint.contype === "CONSTR_PRIMARY";
  const keys = textsOf(constraint.keys);
  const including = textsOf(constraint.including);
  const label = isPrimary ? "pkey" : "key";
  const named = isPrimary ? [] : [...keys, ...including];
  const name = client.escapeIdentifier(
    constraint.conname ?? (await chooseName(client, { schema, relation, columns: named, label })),
  );
  const list = (columns: readonly string[]): string =>
    `(${columns.map((column) => client.escapeIdentifier(column)).join(", ")})`;
  const build = [
    `CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${table.sql} ${list(keys)}`,
    ...(including.length > 0 ? [`INCLUDE ${list(including)}`] : []),
    ...(constraint.nulls_not_distinct === true ? ["NULLS NOT DISTINCT"] : []),
  ].join(" ");
  const timing = [
    ...(constraint.deferrable === true ? ["DEFERRABLE"] : []),
    ...(constraint.initdeferred === true ? ["INITIALLY DEFERRED"] : []),
  ].join(" ");
  const kind = isPrimary ? "PRIMARY KEY" : "UNIQUE";
  const nullable = isPrimary ? await nullableOf(scene, keys) : [];
  return [
    ...nullable.flatMap((column) => notNullParts(scene, column)),
    {
      statements: [build],
      alone: true,
      undo: [`DROP INDEX IF EXISTS ${client.escapeIdentifier(table.schema)}.${name}`],
    },
    {
      statements: [`${head} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name} ${timing}`.trim()],
      alone: false,
    },
  ];
}

async function nullableOf({ client, table }: RewriteScene, columns: string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT attname::text AS name FROM pg_attribute
      WHERE attrelid = $1::oid AND attname = ANY ($2) AND NOT attnotnull ORDER BY attnum`,
    [table.oid, columns],
  );
  return rows.map(({ name }) => name);
}
