import type { Client } from "pg";
import { UserError } from "../../userError";
import type { MigrationFile } from "../files/migration";
import { type LookupSync, newColumnsOf, oldColumnsOf, type Sync } from "../files/syncFile";
import { correctionOf } from "./correction";
import { defaultProblem, sameValueProblems } from "../sync/sameValue";
import type { SyncTable } from "../sync/syncTable";
import { expressionProblems, indexProblems } from "./twin";

/** The tables of a sync: the one whose rows are filled, and the one that a lookup refers to. */
export interface SyncTables {
  readonly table: SyncTable | undefined;
  readonly target?: SyncTable | undefined;
}

/**
 * What must hold before a sync adds anything: what it names is there, and nothing of it would make
 * a trigger take one release's write for the other's, or fail the old release's write.
 * @throws UserError with all that is wrong
 */
export async function ensureSyncable(
  client: Client,
  { id, file }: { readonly id: string; readonly file: MigrationFile },
  sync: Sync,
  { table, target }: SyncTables,
): Promise<void> {
  const problems: string[] = [];
  const sides = [...oldColumnsOf(sync), ...newColumnsOf(sync)];
  problems.push(...tableProblems(sync.table, table, sides));
  if (table !== undefined) {
    problems.push(...columnProblems(table, sync, sides));
    if (table.isOrdinary && table.key.length === 0) {
      problems.push(`${table.shown} has no primary key, nor another unique key without NULLs.`);
    }
    const flawed = sync.kind === "fill" ? [] : newColumnsOf(sync);
    for (const { name, hasLength, type } of table.columns) {
      // A rename has the old column's length: what fits there fits here.
      if (flawed.includes(name) && hasLength && !isRename(sync)) {
        problems.push(
          `${table.shown}.${name} is ${type}: a value that does not fit would fail the old release's write.`,
        );
      }
    }
    for (const trigger of sync.kind === "fill" ? [] : table.laterTriggers) {
      problems.push(
        `The trigger ${trigger} on ${table.shown} would change rows after the sync has looked at them.`,
      );
    }
  }
  if (table !== undefined && sync.kind === "columns" && sync.same !== undefined) {
    problems.push(...(await sameValueProblems(client, sync.same, table)));
  }
  if (table !== undefined) problems.push(...(await indexProblems(client, sync, table)));
  if (sync.kind === "lookup") problems.push(...lookupProblems(sync, table, target));
  if (sync.kind === "columns" && table !== undefined && problems.length === 0) {
    problems.push(...(await expressionProblems(client, file, sync, table)));
  }
  if (problems.length === 0) return;
  throw new UserError(
    `${file.shownPath} cannot be followed on this database; no trigger was added.`,
    problems,
    correctionOf(id, "correct sync.yaml or the table"),
  );
}

function tableProblems(
  name: string,
  table: SyncTable | undefined,
  sides: readonly string[],
): string[] {
  if (table === undefined) return [`There is no table ${name}.`];
  if (!table.isOrdinary) return [`${table.shown} is not an ordinary table without children.`];
  return sides
    .filter((side) => !table.columns.some((column) => column.name === side))
    .map((side) => `${table.shown} has no column ${side}.`);
}

function columnProblems(table: SyncTable, sync: Sync, sides: readonly string[]): string[] {
  return table.columns.flatMap((column) => {
    const { name, flaw } = column;
    if (sync.kind === "fill" && sides.includes(name)) {
      return column.default === null
        ? [
            `${table.shown}.${name} has no default, which is what new rows get: add to expand.sql ALTER TABLE ${table.sql} ALTER COLUMN ${name} SET DEFAULT ...;`,
          ]
        : [];
    }
    if (flaw === null || !sides.includes(name)) return [];
    if (sync.kind === "columns" && sync.same !== undefined && column.default !== null) {
      return defaultProblem(column, sync.same, table) ?? [];
    }
    return [
      `${table.shown}.${name} ${flaw}: what a release has not written would look as if it had.`,
    ];
  });
}

function isRename(sync: Sync): boolean {
  return sync.kind === "columns" && sync.same?.kind === "rename";
}

function lookupProblems(
  sync: LookupSync,
  table: SyncTable | undefined,
  target: SyncTable | undefined,
): string[] {
  const { references } = sync;
  const problems = tableProblems(references.table, target, [references.id, references.name]);
  if (target !== undefined && problems.length === 0) {
    if (!target.unique.some((columns) => columns.length === 1 && columns[0] === references.id)) {
      problems.push(`${target.shown}.${references.id} is not unique.`);
    }
  }
  for (const column of [sync.name, sync.id]) {
    if (table === undefined || table.leading.includes(column)) continue;
    if (Object.values(sync.indexes).some(([first]) => first === column)) continue;
    problems.push(
      `${table.shown} has no index that begins with ${column}, by which a rename finds its rows.`,
    );
  }
  return problems;
}
