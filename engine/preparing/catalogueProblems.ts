import { type LookupSync, newColumnsOf, oldColumnsOf, type Sync } from "../files/syncFile";
import { bypassOf } from "../session/missingRight";
import { defaultProblem } from "../sync/sameValue";
import type { SyncProblem } from "../sync/syncProblem";
import type { SyncTable } from "../sync/syncTable";

/** The tables of a sync: the one whose rows are filled, and the one that a lookup refers to. */
export interface SyncTables {
  readonly table: SyncTable | undefined;
  readonly target?: SyncTable | undefined;
}

/** What the catalog alone says against a sync. */
export function catalogueProblems(sync: Sync, { table, target }: SyncTables): SyncProblem[] {
  const sides = [...oldColumnsOf(sync), ...newColumnsOf(sync)];
  const problems = tableProblems(sync.table, table, sides);
  if (table !== undefined) {
    problems.push(...columnProblems(table, sync, sides));
    problems.push(...rowProblems(table));
    if (sync.kind !== "fill") problems.push(...writeProblems(table, sync));
  }
  if (sync.kind === "lookup") problems.push(...lookupProblems(sync, table, target));
  return problems;
}

function tableProblems(
  name: string,
  table: SyncTable | undefined,
  sides: readonly string[],
): SyncProblem[] {
  if (table === undefined) {
    const bare = name.split(".").at(-1) ?? name;
    return [{ text: `There is no table ${name}.`, mendedBy: [bare] }];
  }
  const filtered: SyncProblem[] = table.isFiltered
    ? [
        {
          text: `Row-level security hides rows of ${table.shown} from this session: ${bypassOf(table.sql)}.`,
          mendedBy: ["security", "bypassrls", "owner"],
        },
      ]
    : [];
  if (!table.isOrdinary) {
    const text = `${table.shown} is not an ordinary table without children.`;
    return [{ text, mendedBy: ["drop", "rename", "detach", "inherit"] }, ...filtered];
  }
  const missing = sides
    .filter((side) => !table.columns.some((column) => column.name === side))
    .map((side) => ({ text: `${table.shown} has no column ${side}.`, mendedBy: [side] }));
  return [...missing, ...filtered];
}

function columnProblems(table: SyncTable, sync: Sync, sides: readonly string[]): SyncProblem[] {
  return table.columns.flatMap((column): SyncProblem[] => {
    const { name, flaw } = column;
    if (sync.kind === "fill" && sides.includes(name)) {
      if (column.default !== null) return [];
      const text = `${table.shown}.${name} has no default, which is what new rows get: add to expand.sql ALTER TABLE ${table.sql} ALTER COLUMN ${name} SET DEFAULT ...;`;
      return [{ text, mendedBy: ["default", "drop"] }];
    }
    if (flaw === null || !sides.includes(name)) return [];
    const mendedBy = ["default", "identity", "expression", "type", "drop"];
    if (sync.kind === "columns" && sync.same !== undefined && column.default !== null) {
      const text = defaultProblem(column, sync.same, table);
      return text === undefined ? [] : [{ text, mendedBy }];
    }
    const text = `${table.shown}.${name} ${flaw}: what a release has not written would look as if it had.`;
    return [{ text, mendedBy }];
  });
}

/** What the backfill needs of the table. */
function rowProblems({ shown, isOrdinary, key, updateRules }: SyncTable): SyncProblem[] {
  const problems: SyncProblem[] = updateRules.map((rule) => ({
    text: `The rule ${rule} on ${shown} does something else in an update's place, or beside it: no row could be filled.`,
    mendedBy: ["rule", "drop"],
  }));
  if (isOrdinary && key.length === 0) {
    const text = `${shown} has no primary key, nor another unique key without NULLs.`;
    problems.push({ text, mendedBy: ["primary", "unique", "null", "drop"] });
  }
  return problems;
}

/** What would come between a release's write and the triggers. */
function writeProblems({ shown, columns, laterTriggers }: SyncTable, sync: Sync): SyncProblem[] {
  const flawed = newColumnsOf(sync);
  // A rename has the old column's length: what fits there fits here.
  const isRename = sync.kind === "columns" && sync.same?.kind === "rename";
  const lengths = columns
    .filter(({ name, hasLength }) => flawed.includes(name) && hasLength && !isRename)
    .map(({ name, type }) => ({
      text: `${shown}.${name} is ${type}: a value that does not fit would fail the old release's write.`,
      mendedBy: ["type", "drop"],
    }));
  const triggers = laterTriggers.map((trigger) => ({
    text: `The trigger ${trigger} on ${shown} would change rows after the sync has looked at them.`,
    mendedBy: ["trigger", "drop"],
  }));
  return [...lengths, ...triggers];
}

function lookupProblems(
  sync: LookupSync,
  table: SyncTable | undefined,
  target: SyncTable | undefined,
): SyncProblem[] {
  const { references } = sync;
  const problems = tableProblems(references.table, target, [references.id, references.name]);
  if (target !== undefined && problems.length === 0) {
    if (!target.unique.some((columns) => columns.length === 1 && columns[0] === references.id)) {
      const text = `${target.shown}.${references.id} is not unique.`;
      problems.push({ text, mendedBy: ["unique", "primary", "drop"] });
    }
  }
  for (const column of [sync.name, sync.id]) {
    if (table === undefined || table.leading.includes(column)) continue;
    if (Object.values(sync.indexes).some(([first]) => first === column)) continue;
    const text = `${table.shown} has no index that begins with ${column}, by which a rename finds its rows.`;
    problems.push({ text, mendedBy: ["index", "unique", "primary", "exclude"] });
  }
  return problems;
}
