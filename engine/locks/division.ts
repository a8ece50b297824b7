import type { Rewrite } from "../journal/rewrites";
import type { StatementClass } from "./classification";
import { heldBy } from "./decide";
import { longestWorkSeconds } from "./decision";
import type { Refusal } from "./refusal";
import type { boundStatements } from "./transactionBound";

/**
 * Where a transaction has to end: what takes long and what holds others up do not belong into one,
 * for locks are taken at its start and kept to its end. What may take long is not run behind them
 * either; where the transaction cannot end there, it is refused.
 */
export function divide(
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
    const isLate = held !== undefined && (takesLong || found.isOpenEnded);
    if (isLate && binding !== undefined) {
      const why = `It may take long, and ${held} stays locked all the while: nothing is divided ${binding.where}.`;
      late.push({ found, why, fix: binding.fix });
    }
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
