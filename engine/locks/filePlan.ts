import type { Client } from "pg";
import { UserError } from "../../userError";
import { isAtomic } from "../files/atomic";
import type { MigrationFile } from "../files/migration";
import type { Rewrite } from "../journal/rewrites";
import { withRolledBackTransaction } from "../session/transaction";
import type { NewRelations } from "../sql/newRelations";
import type { Statement } from "../sql/parser";
import { excerpt } from "../sql/sourceText";
import type { StatementClass } from "./classification";
import { boundStatements, isEnding } from "./transactionBound";
import { classesOf } from "./classesOf";
import { decide, heldBy, longestWorkSeconds } from "./decide";
import { stallWords } from "./estimate";

/** How a file is run: what its statements do, and what is done about it. */
export interface FilePlan {
  readonly classes: readonly StatementClass[];
  /** By the number of the statement. */
  readonly inParts: ReadonlyMap<number, Rewrite>;
  /** Statements that begin a transaction, for the one before them may not be held open so long. */
  readonly splits: ReadonlySet<number>;
  readonly refusals: readonly Refusal[];
}

interface Refusal {
  readonly found: StatementClass;
  readonly why: string;
  readonly fix: string;
  readonly files?: readonly string[];
  readonly stall?: string;
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
  return { classes, inParts, splits, refusals: [...refusals, ...late] };
}

/**
 * Where a transaction has to end: what takes long and what holds others up do not belong into one,
 * for locks are taken at its start and kept to its end. What may take long is not run behind them
 * either; where the transaction cannot end there, it is refused.
 */
function divide(
  classes: readonly StatementClass[],
  bound: ReturnType<typeof boundStatements>,
  inParts: ReadonlyMap<number, Rewrite>,
  before: string | undefined,
): { splits: Set<number>; late: Refusal[] } {
  const splits = new Set<number>();
  const late: Refusal[] = [];
  let isLong = false;
  let held = before;
  for (const found of classes) {
    const { number, standing } = found.statement;
    const binding = bound.get(number);
    const endsOne = standing.standing !== "transaction" || inParts.has(number);
    if (binding === undefined && endsOne) {
      isLong = false;
      held = undefined;
      continue;
    }
    const takesLong = found.seconds > longestWorkSeconds;
    const holds = heldBy(found);
    if (held !== undefined && (takesLong || found.isOpenEnded) && binding !== undefined) {
      const why = `It may take long, and ${held} stays locked all the while: nothing is divided ${binding.where}.`;
      late.push({ found, why, fix: binding.fix });
    }
    const isLate = held !== undefined && (takesLong || found.isOpenEnded);
    if (binding === undefined && (isLate || (holds !== undefined && isLong))) {
      splits.add(number);
      isLong = false;
      held = undefined;
    }
    isLong ||= takesLong;
    held ??= holds;
  }
  return { splits, late };
}

/** @throws UserError for the first statement that must not be run as it stands */
export function ensureHarmless(migration: string, file: MigrationFile, plan: FilePlan): void {
  const [refusal] = plan.refusals;
  if (refusal === undefined) return;
  const { found, why, fix, files = [], stall = stallWords(found) } = refusal;
  throw new UserError(
    `Migration ${migration} would hold others up; nothing of ${file.shownPath} was run.`,
    [...excerpt(file, found.statement.offset), why, `${stall}.`, ...files],
    `${fix}; or write "-- atomic: true" on the first line of ${file.shownPath} to run it as it stands`,
  );
}
