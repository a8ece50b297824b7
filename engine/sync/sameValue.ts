import type { Client } from "pg";
import type { SameValue } from "../files/sameValueSync";
import type { ColumnSync } from "../files/syncFile";
import type { Quoting } from "./quoting";
import type { SyncColumn, SyncTable } from "./syncTable";

/** A sync whose derived way back is a cast to the type that the old column has on this database. */
export function withCasts(sync: ColumnSync, table: SyncTable, { name: q }: Quoting): ColumnSync {
  const { same } = sync;
  const type = same && columnOf(table, same.old)?.baseType;
  if (same === undefined || type === undefined || same.hasBack) return sync;
  return { ...sync, reverse: { [same.old]: `${q(same.new)}::${type}` } };
}

const casts = String.raw`\)?(?:::[^'()]+(?:\([\d,]+\))?)*$`;
const literal = new RegExp(String.raw`^\(?('(?:[^']|'')*'|-?\d+(?:\.\d+)?|true|false)` + casts);
const ofTransaction = new RegExp(
  String.raw`^\(?(now\(\)|CURRENT_(?:DATE|TIME|TIMESTAMP)|LOCALTIME(?:STAMP)?)` + casts,
);

/**
 * A default that is the same wherever it is evaluated in one transaction, as SQL; undefined for a
 * sequence, a random value and whatever else cannot be told from a value that somebody has written.
 */
export function plainDefault({ default: text, baseType }: SyncColumn): string | undefined {
  const [, value] = literal.exec(text ?? "") ?? ofTransaction.exec(text ?? "") ?? [];
  return value === undefined ? undefined : `${value}::${baseType}`;
}

/** What contract puts on the new column, because the old one had it. */
export interface Inherited {
  readonly column: string;
  readonly notNull: boolean;
  readonly default: string | undefined;
}

/** @returns undefined for a kind whose new columns are values of their own */
export function inheritedOf(
  { same, rejects }: ColumnSync,
  table: SyncTable,
): Inherited | undefined {
  const old = same && columnOf(table, same.old);
  if (same === undefined || old === undefined) return undefined;
  const fresh = columnOf(table, same.new);
  return {
    column: same.new,
    notNull: old.notNull && rejects === "block",
    default: fresh && plainDefault({ ...fresh, default: old.default }),
  };
}

/** Why a default of one of the two columns stands in the way; undefined when it does not. */
export function defaultProblem(
  column: SyncColumn,
  same: SameValue,
  { shown, columns }: SyncTable,
): string | undefined {
  const { name, default: text } = column;
  const where = `${shown}.${name}`;
  if (text === null) return undefined;
  if (plainDefault(column) === undefined) {
    return `${where} has the default ${text}, another value each time: what a release has not written would look as if it had. Give it a default that is one value, or none.`;
  }
  const old = columns.find((other) => other.name === same.old);
  if (name === same.new && old?.default === null) {
    return `${where} has a default, and ${same.old} has none: what a release has not written would look as if it had.`;
  }
  return name === same.old && same.hasUsing
    ? `${where} has a default, to which using cannot be applied: drop it in a migration before, and give ${same.new} its own in contract.sql.`
    : undefined;
}

/** What stands against one value under two names, with the statement that mends it. */
export async function sameValueProblems(
  client: Client,
  same: SameValue,
  table: SyncTable,
): Promise<string[]> {
  const old = columnOf(table, same.old);
  const fresh = columnOf(table, same.new);
  if (old === undefined) return [];
  const q = (name: string): string => client.escapeIdentifier(name);
  const wanted = same.type === undefined ? old.type : await typeNamed(client, same.type);
  if (wanted === undefined) return [`type: there is no type ${same.type ?? ""}.`];
  const add = `ALTER TABLE ${table.sql} ADD COLUMN ${q(same.new)} ${wanted};`;
  if (fresh === undefined) return [`expand.sql has to make it: ${add}`];
  const isWanted = same.type === undefined ? fresh.type === wanted : fresh.baseType === wanted;
  if (!isWanted) {
    const other = same.kind === "rename" ? ", or use kind: type" : "";
    return [
      `${table.shown}.${same.new} is ${fresh.type}, and is to be ${wanted}: write ${add}${other}`,
    ];
  }
  return missingCounterparts(client, same, table);
}

/** By its number only: lengths are refused anyway. */
async function typeNamed(client: Client, type: string): Promise<string | undefined> {
  const { rows } = await client.query<{ type: string | null }>(
    "SELECT format_type(to_regtype($1)::oid, -1) AS type WHERE to_regtype($1) IS NOT NULL",
    [type],
  );
  return rows[0]?.type ?? undefined;
}

interface Counterpart {
  kind: "p" | "r" | "u" | "f";
  name: string;
  columns: string[];
  target: string | null;
}

/**
 * Keys of the old column that the new one does not have: after contract they would hold for the
 * archive only.
 */
async function missingCounterparts(
  client: Client,
  same: SameValue,
  { sql, shown }: SyncTable,
): Promise<string[]> {
  const { rows } = await client.query<Counterpart>(counterpartsQuery, [sql, same.old, same.new]);
  const q = (name: string): string => client.escapeIdentifier(name);
  return rows.map(({ kind, name, columns, target }) => {
    const list = columns.map((column) => q(column === same.old ? same.new : column)).join(", ");
    switch (kind) {
      case "p":
        return `${shown}.${same.old} is of the primary key ${name}: the backfill finds its rows by it, and a column of it cannot be archived. Change its type where it stands, with "-- atomic: true" on the file's first line, at an hour when nobody works with the table: npm run migrations -- plan tells how long it takes.`;
      case "r":
        return `${shown}.${same.old} is what the foreign key ${name} refers to: let that refer to another column first, in a migration before.`;
      case "u":
        return `${shown}.${same.old} is unique by ${name}, and ${same.new} is not: add to expand.sql CREATE UNIQUE INDEX CONCURRENTLY ON ${sql} (${list});`;
      case "f":
        return `${shown}.${same.old} is a foreign key by ${name}, and ${same.new} is not: add to expand.sql ALTER TABLE ${sql} ADD FOREIGN KEY (${list}) ${target ?? ""};`;
    }
  });
}

const counterpartsQuery = `
  WITH names AS (
    SELECT x.kind, x.name, x.oid, x.target,
           ARRAY(SELECT a.attname::text FROM unnest(x.keys) WITH ORDINALITY AS k(attnum, place)
                   JOIN pg_attribute a ON a.attrelid = $1::regclass AND a.attnum = k.attnum
                  ORDER BY k.place) AS columns
      FROM (SELECT CASE WHEN i.indisprimary THEN 'p' ELSE 'u' END AS kind,
                   i.indexrelid::regclass::text AS name, i.indexrelid AS oid, NULL AS target,
                   (i.indkey::int2[])[0:i.indnkeyatts - 1] AS keys
              FROM pg_index i
             WHERE i.indrelid = $1::regclass AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
            UNION ALL
            SELECT 'f', c.conname, c.oid, regexp_replace(pg_get_constraintdef(c.oid), '^.*? (REFERENCES .*?)( NOT VALID)?$', '\\1'),
                   c.conkey
              FROM pg_constraint c WHERE c.conrelid = $1::regclass AND c.contype = 'f'
            UNION ALL
            SELECT 'r', c.conname, c.oid, NULL, c.confkey
              FROM pg_constraint c WHERE c.confrelid = $1::regclass AND c.contype = 'f') x)
  SELECT kind, name, columns, target FROM names old
   WHERE $2 = ANY (columns)
     AND (kind IN ('p', 'r') OR NOT EXISTS (
       SELECT FROM names new WHERE new.kind = old.kind
          AND new.columns @> array_replace(old.columns, $2, $3)
          AND array_replace(old.columns, $2, $3) @> new.columns))
   ORDER BY kind, name`;

function columnOf({ columns }: SyncTable, wanted: string): SyncColumn | undefined {
  return columns.find(({ name }) => name === wanted);
}
