import { setTimeout as sleep } from "node:timers/promises";
import { watchingBlockers } from "./blockers";
import { awaitClearance, type WorkPlace } from "./clearance";
import { maySetDeadlockTimeout } from "./deadlockTimeout";
import { LockAttempt } from "./lockAttempt";
import type { LockNeed } from "./lockNeed";
import { Preflight } from "./preflight";
import { recordStalls } from "./stallBudget";
import { isConnectionLoss, sqlState, stateOf } from "../session/databaseErrors";
import type { LockingRun } from "../journal/fileContext";

const firstPatience = 100;
/** Nobody may have to wait longer behind a request for a table. */
export const longestTableWait = 200;
/** Behind a request for a row only that row's writers wait. */
export const longestRowWait = 1500;
const mostDeadlocks = 5;
/** Waits shorter than this are not felt, and not booked where they were granted. */
const feltMilliseconds = 10;

/** One piece of work that needs locks. */
export interface LockingWork extends WorkPlace {
  /** The tables that it locks, as far as that is known before it runs. */
  readonly needs: readonly LockNeed[];
  /** How long one attempt may wait for a lock, in milliseconds. */
  readonly longestWait: number;
  /**
   * Tries once, in a transaction that begins with the attempt's settings.
   * @param takesFirst whether the tables are to be locked before anything is done
   */
  readonly attempt: (locks: LockAttempt, takesFirst: boolean) => Promise<void>;
  /** PostgreSQL's own error inside a failure of `attempt`. */
  readonly causeOf: (failure: unknown) => unknown;
  /** What to throw at the deadline; `extra` says who was in the way and for how long. */
  readonly giveUp: (failure: unknown, extra: readonly string[]) => unknown;
}

/**
 * While somebody waits for a strong lock everybody queues behind it. So: look first who holds it
 * and wait outside of the queue; ask briefly; let everybody pass, and try again until the deadline
 * or until the table's stall budget is spent.
 */
export async function retryWhileBlocked(work: LockingRun, locking: LockingWork): Promise<void> {
  const { run, lock, deadlines } = work;
  const { needs, longestWait } = locking;
  const deadline = Date.now() + deadlines.lockSeconds * 1000;
  const findsSoon = needs.length > 0 && (await maySetDeadlockTimeout(run.session));
  let takesFirst = true;
  let deadlocks = 0;
  for (let wish = firstPatience; ; wish = Math.min(wish * 2, longestWait)) {
    lock.ensureHeld();
    const preflight = new Preflight(run.session, needs, findsSoon);
    const room = await awaitClearance(work, locking, preflight, deadline);
    const attempt = new LockAttempt(run.session.client, Math.min(wish, room), findsSoon);
    const extra: string[] = [];
    try {
      await watchingBlockers(lock.session, run.session, async (seen) => {
        try {
          await locking.attempt(attempt, takesFirst);
        } finally {
          extra.push(...seen.blockers.map(({ description }) => `blocked by ${description}`));
        }
      });
      await recordStalls(run, attempt.waits(feltMilliseconds));
      return;
    } catch (failure) {
      const cause = locking.causeOf(failure);
      const state = stateOf(cause);
      const isDeadlock = state === sqlState.deadlockDetected && ++deadlocks < mostDeadlocks;
      if (isDeadlock || state === sqlState.lockNotAvailable) {
        const stalls = attempt.stallsOf(needs);
        await recordStalls(run, stalls);
        const stalled = Math.max(attempt.patience, ...stalls.map((stall) => stall.milliseconds));
        const pause = isDeadlock ? shortPause() : stalled * (5 + Math.random());
        if (Date.now() + pause > deadline) {
          const waited = `Gave up after ${deadlines.lockSeconds} s of short attempts, so that nobody queues behind it.`;
          throw locking.giveUp(failure, [...extra, waited]);
        }
        tellPause(work, extra, isDeadlock, pause);
        await sleep(pause);
      } else if (attempt.isTaking && !isConnectionLoss(cause) && state !== sqlState.queryCanceled) {
        // Some tables may be changed but not locked by LOCK TABLE, for want of a right on them.
        takesFirst = false;
      } else {
        if (state !== sqlState.deadlockDetected) throw failure;
        throw locking.giveUp(failure, [...extra, `It was tried ${mostDeadlocks} times.`]);
      }
    }
  }
}

/** The other side of a deadlock has gone on by now; the same two rarely meet again. */
function shortPause(): number {
  return 50 + Math.random() * 100;
}

function tellPause(
  { migration, onProgress }: LockingRun,
  [who = "a lock that is held"]: readonly string[],
  isDeadlock: boolean,
  pause: number,
): void {
  const why = isDeadlock ? `a deadlock, ${who}` : who;
  const message = `${why}; trying again in ${(pause / 1000).toFixed(1)} s`;
  onProgress({ event: "waiting", migration: migration.id, message });
}
