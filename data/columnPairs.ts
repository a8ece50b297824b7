import { UserError } from "../userError";
import type { Column, Table } from "./catalogue";
import type { TableChanges } from "./declaredChanges";
import { columnNames, ensureKnownColumns } from "./declaredNames";
import type { TableScan } from "./tableScan";

/** Two scans that must give the same fingerprint. */
export interface TablePlan {
  /** As the control calls it. */
  readonly table: string;
  readonly control: TableScan;
  readonly candidate: TableScan;
  /** Rows of the control in which a column may differ, as SQL, by the column's index. */
  readonly exempt: ReadonlyMap<number, string>;
}

/** What the control has and the candidate lacks; column null: the table. */
export interface Missing {
  readonly table: string;
  readonly column: string | null;
}

interface Pair {
  readonly before: Column;
  readonly after: Column;
  /** Rows of the control in which it may differ, as SQL. */
  readonly exempt: string | null;
}

/**
 * Pairs the columns of a table with what became of them, and chooses how each pair is hashed.
 * @throws UserError when the declarations name an unknown column, or rows of a table without key
 */
export function pairColumns(
  table: Table,
  became: Table,
  changes: readonly TableChanges[],
): { plan: TablePlan; missing: Missing[]; notCompared: string[] } {
  ensureKnownColumns(table, became, changes);
  const pairs: Pair[] = [];
  const missing: Missing[] = [];
  const notCompared: string[] = [];
  const leaveOut = (column: Column, why: string): void => {
    notCompared.push(`${table.shown}, column ${column.name}: declared as ${why}`);
  };
  for (const before of table.columns) {
    const names = columnNames(before, changes);
    const after = names.flatMap((name) => became.columns.filter((it) => it.name === name)).at(-1);
    const changed = changes.flatMap((each) => names.flatMap((name) => each.changed[name] ?? []));
    const isDropped = changes.some(({ dropped }) => dropped.some((name) => names.includes(name)));
    if (after !== undefined && changed.includes(true)) leaveOut(before, "changed in every row");
    else if (after !== undefined) {
      const exempt = anyOf(changed.filter((predicate) => predicate !== true));
      pairs.push({ ...hashedAlike(before, after), exempt });
    } else if (isDropped) leaveOut(before, "dropped");
    else missing.push({ table: table.shown, column: before.name });
  }
  return { plan: planOf(table, became, pairs, changes), missing, notCompared };
}

/** A hash of one type says nothing about one of another; texts can be compared. */
function hashedAlike(before: Column, after: Column): { before: Column; after: Column } {
  if (before.hash === after.hash) return { before, after };
  return { before: { ...before, hash: null }, after: { ...after, hash: null } };
}

function planOf(
  table: Table,
  became: Table,
  pairs: readonly Pair[],
  changes: readonly TableChanges[],
): TablePlan {
  const exempt = new Map<number, string>();
  pairs.forEach((pair, index) => {
    if (pair.exempt !== null) exempt.set(index, pair.exempt);
  });
  const key = keyOf(table, pairs);
  if (key === null && exempt.size > 0) {
    throw new UserError(
      `integrity.yaml declares changes of some rows of ${table.shown}, whose rows cannot be told apart.`,
      [
        "Both databases need the same primary key, or another key without NULLs, that does not change.",
      ],
      `declare the column with "true" instead of a condition`,
    );
  }
  const side = ({ schema, name, isPartitioned }: Table) => ({ schema, name, isPartitioned });
  return {
    table: table.shown,
    control: {
      ...side(table),
      columns: pairs.map(({ before }) => before),
      key: key?.map(({ before }) => before.name) ?? null,
      without: anyOf(changes.flatMap(({ removed }) => removed ?? [])),
    },
    candidate: {
      ...side(became),
      columns: pairs.map(({ after }) => after),
      key: key?.map(({ after }) => after.name) ?? null,
      without: anyOf(changes.flatMap(({ added }) => added ?? [])),
    },
    exempt,
  };
}

/** The control's key, where both sides have all of it and no declaration lets it change. */
function keyOf(table: Table, pairs: readonly Pair[]): Pair[] | null {
  if (table.key === null) return null;
  const key = table.key.flatMap((name) =>
    pairs.filter(({ before, exempt }) => before.name === name && exempt === null),
  );
  return key.length === table.key.length ? key : null;
}

/** True where one of them is, each on lines of its own for the comments in it; null for none. */
function anyOf(predicates: readonly string[]): string | null {
  if (predicates.length === 0) return null;
  return predicates.map((predicate) => `(\n${predicate}\n) IS TRUE`).join(" OR ");
}
