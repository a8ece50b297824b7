import {
  explainConnectionError,
  isConnectionLoss,
  sqlState,
  stateOf,
} from "../../engine/session/databaseErrors";
import { UserError } from "../../userError";

/** Names what was tried when the server or the connection refuses. */
export async function explained<T>(
  problem: string | (() => string),
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const cause = explainConnectionError(error);
    if (cause === error || !(cause instanceof UserError)) throw error;
    throw new UserError(
      typeof problem === "string" ? problem : problem(),
      [cause.problem, ...cause.details],
      nextStep(error, cause),
    );
  }
}

function nextStep(error: unknown, { next }: UserError): string | undefined {
  if (isConnectionLoss(error)) return "see that the server answers, then pulumi up";
  const state = stateOf(error);
  // 42xxx but for a missing right: the only SQL that is not ours is in integrity.yaml.
  const isTheirs = state?.startsWith("42") === true && state !== sqlState.noRight;
  return isTheirs ? "correct the conditions that integrity.yaml gives for this table" : next;
}
