import type { Difference } from "../../data/compare";
import { printable } from "../../engine/sql/sourceText";
import { UserError } from "../../userError";

const shownDifferences = 10;

/** What a check found to be wrong; both lists empty when it passed. */
export interface Findings {
  readonly differences: readonly Difference[];
  /** Of the checks that need no control, a line each. */
  readonly builtIn: readonly string[];
}

/**
 * Stops everything that waits for the checks.
 * @param database the candidate, as messages call it
 * @throws UserError naming table, column, expected, got and keys, when anything is wrong
 */
export function ensureIntact(
  database: string,
  control: string | undefined,
  { differences, builtIn }: Findings,
): void {
  const count = differences.length + builtIn.length;
  if (count === 0) return;
  const lines = [...differences.map(describe), ...builtIn.map((line) => [line])];
  throw new UserError(
    `The integrity checks of ${database} found ${count === 1 ? "a fault" : `${count} faults`}; no release runs on it.`,
    [
      ...lines.slice(0, shownDifferences).flat().map(printable),
      ...(count > shownDifferences ? [`and ${count - shownDifferences} more`] : []),
      ...(control === undefined
        ? []
        : [`Expected is what ${control} holds, which no migration has touched.`]),
    ],
    differences.length === 0
      ? "correct the migration that left it, then pulumi up"
      : "correct the migration, or declare the change in its integrity.yaml; then pulumi up",
  );
}

function describe(difference: Difference): string[] {
  const { table, column, expected, got, changed, onlyInControl, onlyInCandidate } = difference;
  const keys = (label: string, list: readonly string[]): string[] =>
    list.length === 0 ? [] : [`  ${label}${list.join("; ")}`];
  return [
    column === null ? `table ${table}` : `table ${table}, column ${column}`,
    `  expected: ${expected}`,
    `  got:      ${got}`,
    ...keys("changed rows, for example: ", changed),
    ...keys("missing rows, for example: ", onlyInControl),
    ...keys("rows too many, for example: ", onlyInCandidate),
  ];
}
