import type { Client } from "pg";
import type { SameValue } from "../files/sameValueSync";
import type { ColumnSync } from "../files/syncFile";
import { messageOf, stateOf } from "../session/databaseErrors";
import { readWithSchemas } from "../sql/catalogName";
import { missingCounterparts } from "./counterparts";
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
  return [
    ...(await otherDefault(client, old, fresh, table)),
    ...(await missingCounterparts(client, same, table)).map(({ text }) => text),
  ];
}

/**
 * Where both columns have a default it has to be one value: a release that writes just its own
 * default has to all appearance written nothing, and the other column's would win.
 */
async function otherDefault(
  client: Client,
  old: SyncColumn,
  fresh: SyncColumn,
  { shown }: SyncTable,
): Promise<string[]> {
  const [was, is] = [plainDefault(old), plainDefault(fresh)];
  if (was === undefined || is === undefined) return [];
  const both = `${shown}.${fresh.name} has the default ${fresh.default ?? ""}, and ${old.name} has ${old.default ?? ""}`;
  const mend = `Give both the same one, or ${fresh.name} none: the contract hands it the old one's.`;
  try {
    const { rows } = await client.query<{ differ: boolean }>(
      `SELECT ${is} IS DISTINCT FROM (${was})::${fresh.baseType} AS differ`,
    );
    return rows[0]?.differ === true
      ? [`${both}: what a release writes would be lost where it is its own default. ${mend}`]
      : [];
  } catch (error) {
    if (stateOf(error) === undefined) throw error;
    return [`${both}: they cannot be compared: ${messageOf(error)}. ${mend}`];
  }
}

/** By its number only: lengths are refused anyway. */
async function typeNamed(client: Client, type: string): Promise<string | undefined> {
  const read = await readWithSchemas<{ type: string }>(
    client,
    `to_regtype(${client.escapeLiteral(type)})`,
    (oid) => `SELECT format_type(${oid}, -1) AS type`,
  );
  return read?.type;
}

function columnOf({ columns }: SyncTable, wanted: string): SyncColumn | undefined {
  return columns.find(({ name }) => name === wanted);
}
