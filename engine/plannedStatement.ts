import type { MigrationFile } from "./files/migration";
import { effectsOf, noEffects, type StatementEffects } from "./locks/effects";
import type { FilePlan } from "./locks/filePlan";
import type { Statement } from "./sql/parser";
import { segmentsOf } from "./sql/segments";
import { headOf, placeAt } from "./sql/sourceText";

export interface PlannedStatement {
  /** From 1 in its file. */
  readonly number: number;
  /** `path:line` as people see it. */
  readonly place: string;
  /** Its first words on one line. */
  readonly head: string;
  /** false: it runs alone, outside of any transaction, or in parts. */
  readonly inTransaction: boolean;
  readonly effects: StatementEffects;
}

/** The statements of a file that are still to run. */
export function plannedStatements(
  file: MigrationFile,
  statements: readonly Statement[],
  plan: FilePlan,
): PlannedStatement[] {
  const effects = new Map(
    plan.classes.map((found) => [found.statement.number, effectsOf(found, plan)]),
  );
  return segmentsOf(statements, new Set(), plan).flatMap((segment) =>
    segment.statements.map((statement) => ({
      number: statement.number,
      place: `${file.shownPath}:${placeAt(file.text, statement.offset).line}`,
      head: headOf(statement.text),
      inTransaction: segment.alone === undefined,
      effects: effects.get(statement.number) ?? noEffects,
    })),
  );
}
