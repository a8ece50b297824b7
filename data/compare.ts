import type { Client } from "pg";
import { readCatalogue } from "./catalogue";
import type { TablePlan } from "./columnPairs";
import { planComparison } from "./comparisonPlan";
import type { DeclaredChanges } from "./declaredChanges";
import { exemptKeys } from "./exempt";
import { type ColumnFingerprint, fingerprintTable, type TableFingerprint } from "./fingerprint";
import { locate, type Location } from "./location";
import { withSnapshot } from "./snapshot";

/** Something of the control that is not the same in the candidate. */
export interface Difference extends Location {
  /** As the control calls it. */
  readonly table: string;
  /** null: the table, or its rows. */
  readonly column: string | null;
  readonly expected: string;
  readonly got: string;
}

export interface Comparison {
  readonly differences: readonly Difference[];
  /** How much of the control was compared. */
  readonly tables: number;
  readonly columns: number;
  readonly rows: number;
  /** What was not, a line each. */
  readonly notCompared: readonly string[];
}

/**
 * Compares the data of two databases, each in one snapshot: every table and column of the control
 * must hold the same values in the candidate, but for what the migrations between them declare.
 * @param declared of the migrations that the control lacks, in their order
 * @param onTable told before each table is read
 * @throws UserError when a declaration names what neither has, or cannot be followed
 */
export function compareData(
  control: Client,
  candidate: Client,
  declared: readonly DeclaredChanges[],
  onTable: (table: string) => void = () => undefined,
): Promise<Comparison> {
  return withSnapshot(control, () =>
    withSnapshot(candidate, async () => {
      const before = await readCatalogue(control);
      const plan = planComparison(before, await readCatalogue(candidate), declared);
      const differences: Difference[] = plan.missing.map(({ table, column }) => ({
        ...{ table, column, ...nowhere },
        expected: column === null ? "a table of this name" : "a column of this name",
        got: "none",
      }));
      const total = { tables: 0, columns: 0, rows: 0 };
      for (const table of plan.tables) {
        onTable(table.table);
        const compared = await compareTable(control, candidate, table);
        differences.push(...compared.differences);
        total.tables += 1;
        total.columns += table.control.columns.length;
        total.rows += compared.rows;
      }
      return { differences, ...total, notCompared: [...before.notCompared, ...plan.notCompared] };
    }),
  );
}

const nowhere: Location = { changed: [], onlyInControl: [], onlyInCandidate: [] };

async function compareTable(
  control: Client,
  candidate: Client,
  plan: TablePlan,
): Promise<{ differences: Difference[]; rows: number }> {
  const exempt = await exemptKeys(control, plan);
  const [before, after] = await Promise.all([
    fingerprintTable(control, plan.control, exempt),
    fingerprintTable(candidate, plan.candidate, exempt),
  ]);
  const isKeyed = plan.control.key !== null;
  const find = (column: number | null): Promise<Location> | Location =>
    isKeyed
      ? locate(control, candidate, plan, {
          column,
          exempt: column === null ? [] : (exempt.get(column) ?? []),
        })
      : nowhere;
  const isSameRows = before.rows === after.rows && before.keys === after.keys;
  const differences: Difference[] = [];
  for (const [index, { name }] of plan.control.columns.entries()) {
    const [was, is] = [before.columns[index], after.columns[index]];
    if (was === undefined || is === undefined || isEqual(was, is)) continue;
    const location = await find(index);
    // Where rows came or went every column differs; one line for the rows says it.
    if (!isSameRows && location.changed.length === 0 && (isKeyed || before.rows !== after.rows))
      continue;
    const texts = { expected: describe(was), got: describe(is) };
    differences.push({ table: plan.table, column: name, ...texts, ...nowhere, ...location });
  }
  if (!isSameRows && (isKeyed || differences.length === 0)) {
    const texts = { expected: describeRows(before), got: describeRows(after) };
    differences.unshift({ table: plan.table, column: null, ...texts, ...(await find(null)) });
  }
  return { differences, rows: before.rows };
}

function isEqual(a: ColumnFingerprint, b: ColumnFingerprint): boolean {
  return a.values === b.values && a.sum === b.sum;
}

function describe({ values, sum }: ColumnFingerprint): string {
  return `${counted(values, "value")}, data fingerprint ${short(sum)}`;
}

function describeRows({ rows, keys }: TableFingerprint): string {
  return `${counted(rows, "row")}, data fingerprint ${short(keys)}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The last 64 bits of a sum; the whole sums are what is compared. */
function short(sum: string): string {
  return BigInt.asUintN(64, BigInt(sum)).toString(16).padStart(16, "0");
}
