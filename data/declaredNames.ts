import { UserError } from "../userError";
import type { Column, Table } from "./catalogue";
import type { DeclaredChanges, TableChanges } from "./declaredChanges";

/** A table's name as the catalogue shows it; a name without schema is one of public. */
export function fullName(name: string): string {
  return /^("(?:[^"]|"")+"|[^".]+)$/.test(name) ? `public.${name}` : name;
}

/** A name and those that renames give it, in turn: the last that exists is the one it has now. */
export function namesThrough(
  name: string,
  renames: readonly Readonly<Record<string, string>>[],
): [string, ...string[]] {
  const names: [string, ...string[]] = [name];
  for (const renamed of renames) {
    const next = new Map(Object.entries(renamed)).get(names.at(-1) ?? name);
    if (next !== undefined) names.push(next);
  }
  return names;
}

/** All names that a table has in turn. */
export function tableNames(table: Table, declared: readonly DeclaredChanges[]): string[] {
  const renames = declared.map(({ renamed }) =>
    Object.fromEntries(Object.entries(renamed).map(([from, to]) => [fullName(from), fullName(to)])),
  );
  return namesThrough(table.shown, renames);
}

/** All names that a column has in turn. */
export function columnNames(column: Column, changes: readonly TableChanges[]): string[] {
  return namesThrough(
    column.name,
    changes.map(({ renamed }) => renamed),
  );
}

/** @throws UserError naming declared tables that neither database has */
export function ensureKnownTables(
  declared: readonly DeclaredChanges[],
  tables: readonly Table[],
): void {
  const known = new Set(tables.map(({ shown }) => shown));
  const renamed = declared.flatMap((changes) => Object.values(changes.renamed).map(fullName));
  const named = declared.flatMap((changes) => [
    ...Object.keys(changes.renamed),
    ...changes.dropped,
    ...Object.keys(changes.tables),
  ]);
  const isKnown = (name: string): boolean => known.has(name) || renamed.includes(name);
  const unknown = named.filter((name) => !isKnown(fullName(name)));
  if (unknown.length === 0) return;
  throw new UserError(
    `integrity.yaml declares changes of tables that do not exist: ${unknown.join(", ")}.`,
    [`There are: ${[...known].sort().join(", ")}.`],
    "correct the names in the integrity.yaml of the migrations that are pending",
  );
}

/** @throws UserError naming declared columns that the table has in neither database */
export function ensureKnownColumns(
  table: Table,
  became: Table,
  changes: readonly TableChanges[],
): void {
  const known = new Set([...table.columns, ...became.columns].map(({ name }) => name));
  const renamed = changes.flatMap((each) => Object.values(each.renamed));
  const named = changes.flatMap((each) => [
    ...Object.keys(each.renamed),
    ...Object.keys(each.changed),
    ...each.dropped,
  ]);
  const unknown = named.filter((name) => !known.has(name) && !renamed.includes(name));
  if (unknown.length === 0) return;
  throw new UserError(
    `integrity.yaml declares changes of columns that ${table.shown} does not have: ${unknown.join(", ")}.`,
    [`It has: ${[...known].sort().join(", ")}.`],
    "correct the names in the integrity.yaml of the migrations that are pending",
  );
}
