import { UserError } from "../../userError";
import type { FileRun } from "../journal/fileContext";
import { asRunner, forgetStep, type StepKey } from "../journal/journalWriter";
import { type Rewrite, undoOf } from "../journal/rewrites";
import { longestTableWait, retryWhileBlocked } from "../locks/shortLock";
import { needsOfTexts } from "../locks/strongNeeds";
import { isConnectionLoss, messageOf, sqlState, stateOf } from "../session/databaseErrors";
import { together } from "../session/together";
import { beginReadWrite, withTransaction } from "../session/transaction";
import { bound } from "./aloneStep";

/** What all parts of a statement have in common. */
export interface Parts {
  readonly context: FileRun;
  readonly key: StepKey;
  readonly rewrite: Rewrite;
  /** Lines: the statement in its file. */
  readonly where: readonly string[];
  /** Who was in the way, a line each. */
  readonly blockedBy: string[];
}

/**
 * Statements and a journal row in one transaction, tried until the locks are free.
 * @param record fenced writes only: COMMIT is sent behind them, and does not wait for their answers
 */
export async function runShort(
  { context, rewrite, where, blockedBy }: Parts,
  done: number,
  statements: readonly string[],
  record: () => Promise<void>,
): Promise<void> {
  const { run } = context;
  const { client } = run.session;
  const needs = await needsOfTexts(run, statements);
  await retryWhileBlocked(context, {
    needs,
    longestWait: longestTableWait,
    where,
    kept: [goesOn(rewrite, done)],
    attempt: (locks, takesFirst) =>
      withTransaction(
        client,
        async () => {
          if (takesFirst) await locks.take(needs);
        },
        `${beginReadWrite}; ${locks.settings}; SET LOCAL client_connection_check_interval = 1000`,
        () =>
          together(client, ...statements.map((text) => () => client.query(text)), () =>
            asRunner(run, record),
          ),
      ),
    causeOf: (failure) => failure,
    giveUp: (failure, extra) => {
      blockedBy.push(...extra);
      return failure;
    },
  });
}

function goesOn({ parts, how }: Rewrite, done: number): string {
  return `${done} of its ${parts.length} parts are done and stay (${how}); the next run goes on with the part that this one stopped in.`;
}

/**
 * After a failure that the statement itself or a row is to blame for: takes back the parts that are
 * done, the last one first, and forgets the step.
 * @returns what of the statement stays, as a sentence
 */
export async function takeBack(parts: Parts, done: number, error: unknown): Promise<string> {
  const { context, key, rewrite } = parts;
  const { run } = context;
  if (isConnectionLoss(error) || run.session.lost) {
    // The COMMIT of a part was on its way.
    return `How many of its ${rewrite.parts.length} parts are done is in the journal (${rewrite.how}); the next run goes on from there.`;
  }
  if (mayPass(error)) return goesOn(rewrite, done);
  const statements = undoOf(rewrite.parts.slice(0, done));
  if (statements === undefined) {
    return `${done} of its ${rewrite.parts.length} parts are done and stay (${rewrite.how}): leave the statement as it is.`;
  }
  try {
    await bound(run.session.client, 0);
    await runShort(parts, done, statements, () => forgetStep(run, key));
  } catch (second) {
    const [problem] = messageOf(second).split("\n");
    return `${goesOn(rewrite, done)} They could not be taken back: ${problem ?? ""}`;
  }
  return "Statements before it are done and stay; this one left nothing behind.";
}

/** Whether the same part may well succeed in the next run. */
function mayPass(error: unknown): boolean {
  const state = stateOf(error);
  const isBlocked = state === sqlState.lockNotAvailable || state === sqlState.deadlockDetected;
  return isBlocked || error instanceof UserError;
}
