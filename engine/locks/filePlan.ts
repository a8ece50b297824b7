import type { Client } from "pg";
import { isAtomic } from "../files/atomic";
import type { MigrationFile } from "../files/migration";
import type { Rewrite } from "../journal/rewrites";
import { withRolledBackTransaction } from "../session/transaction";
import type { NewRelations } from "../sql/newRelations";
import type { Statement } from "../sql/parser";
import type { StatementClass } from "./classification";
import { boundStatements, isEnding } from "./transactionBound";
import { classesOf } from "./classesOf";
import { decide } from "./decide";
import { longestWorkSeconds } from "./decision";
import { divide } from "./division";
import { namesLost } from "./namesLost";
import { type Refusal, refusalError, refusalOfLoss } from "./refusal";

/** How a file is run: what its statements do, and what is done about it. */
export interface FilePlan {
  readonly classes: readonly StatementClass[];
  /** By the number of the statement. */
  readonly inParts: ReadonlyMap<number, Rewrite>;
  /** Statements that begin a transaction, for the one before them may not be held open so long. */
  readonly splits: ReadonlySet<number>;
  readonly refusals: readonly Refusal[];
}

/**
 * Plans what is left of a file. Reads the catalog; writes and locks nothing.
 * @param undoing as classesOf has it
 */
export async function planFile(
  client: Client,
  file: MigrationFile,
  statements: readonly Statement[],
  newRelations: NewRelations,
  undoing: typeof withRolledBackTransaction = withRolledBackTransaction,
): Promise<FilePlan> {
  newRelations.beginFile();
  const isHeld = isEnding(file.phase);
  const classes = await classesOf(client, statements, newRelations, undoing, isHeld);
  const inParts = new Map<number, Rewrite>();
  const refusals: Refusal[] = [];
  if (isAtomic(file)) return { classes, inParts, splits: new Set(), refusals };
  const bound = boundStatements(statements, file.phase);
  for (const found of classes) {
    const { number } = found.statement;
    const decision = await decide(client, found, undoing);
    if (decision.way === "refuse") refusals.push({ found, ...decision });
    if (decision.way !== "rewrite") continue;
    const binding = bound.get(number);
    if (binding === undefined) inParts.set(number, decision.rewrite);
    else if (found.seconds > longestWorkSeconds) {
      const why = `It cannot be carried out in parts (${decision.rewrite.how}) ${binding.where}.`;
      refusals.push({ found, why, fix: binding.fix });
    }
  }
  const before = isHeld ? "every table of the migration" : undefined;
  const { splits, late } = divide(classes, bound, inParts, before);
  const lost = file.phase === "expand" ? namesLost(classes).map(refusalOfLoss) : [];
  return { classes, inParts, splits, refusals: [...refusals, ...late, ...lost] };
}

/** @throws UserError for the first statement that must not be run as it stands */
export function ensureHarmless(migration: string, file: MigrationFile, plan: FilePlan): void {
  const [refusal] = plan.refusals;
  if (refusal !== undefined) throw refusalError(migration, file, refusal);
}
