import type { Catalogue } from "./catalogue";
import { type Missing, pairColumns, type TablePlan } from "./columnPairs";
import type { DeclaredChanges, TableChanges } from "./declaredChanges";
import { ensureKnownTables, fullName, tableNames } from "./declaredNames";

export interface ComparisonPlan {
  readonly tables: readonly TablePlan[];
  readonly missing: readonly Missing[];
  /** What a declaration leaves uncompared, a line each. */
  readonly notCompared: readonly string[];
}

/**
 * Pairs what the control has with what became of it in the candidate. What only the candidate has
 * is new and compared with nothing.
 * @param declared of the migrations that the control lacks, in their order
 * @throws UserError when a declaration names what neither has, or cannot be followed
 */
export function planComparison(
  control: Catalogue,
  candidate: Catalogue,
  declared: readonly DeclaredChanges[],
): ComparisonPlan {
  ensureKnownTables(declared, [...control.tables, ...candidate.tables]);
  const tables: TablePlan[] = [];
  const missing: Missing[] = [];
  const notCompared: string[] = [];
  for (const table of control.tables) {
    const names = tableNames(table, declared);
    const isIt = (name: string): boolean => names.includes(fullName(name));
    // The latest of its names that is there: the rename itself may still be ahead.
    const became = names
      .flatMap((name) => candidate.tables.filter(({ shown }) => shown === name))
      .at(-1);
    if (became !== undefined) {
      const pairs = pairColumns(table, became, changesOf(isIt, declared));
      tables.push(pairs.plan);
      missing.push(...pairs.missing);
      notCompared.push(...pairs.notCompared);
    } else if (declared.some(({ dropped }) => dropped.some(isIt))) {
      notCompared.push(`${table.shown}: declared as dropped`);
    } else missing.push({ table: table.shown, column: null });
  }
  return { tables, missing, notCompared };
}

function changesOf(
  isIt: (name: string) => boolean,
  declared: readonly DeclaredChanges[],
): TableChanges[] {
  const tables = declared.flatMap((changes) => Object.entries(changes.tables));
  return tables.filter(([name]) => isIt(name)).map(([, changes]) => changes);
}
