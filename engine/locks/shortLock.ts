import { setTimeout as sleep } from "node:timers/promises";
import { watchingBlockers } from "./blockers";
import { sqlState, stateOf } from "../session/databaseErrors";
import type { MigrationRun } from "../journal/fileContext";

const firstLockMilliseconds = 200;
/** Above PostgreSQL's deadlock_timeout of 1 s, after which an autovacuum makes way. */
const longestLockMilliseconds = 1500;

/** One piece of work that needs table locks. */
export interface LockingWork {
  /** Tries once, waiting no longer than `patience` milliseconds for any lock. */
  readonly attempt: (patience: number) => Promise<void>;
  /** PostgreSQL's own error inside a failure of `attempt`. */
  readonly causeOf: (failure: unknown) => unknown;
  /** What to throw at the deadline; `extra` says who was in the way and for how long. */
  readonly giveUp: (failure: unknown, extra: readonly string[]) => unknown;
}

/**
 * While somebody waits for a strong lock everybody queues behind it: so wait briefly, let everybody
 * pass, and try again until the deadline.
 */
export async function retryWhileBlocked(
  { run, lock, migration, onProgress, deadlines }: MigrationRun,
  { attempt, causeOf, giveUp }: LockingWork,
): Promise<void> {
  const deadline = Date.now() + deadlines.lockSeconds * 1000;
  for (let patience = firstLockMilliseconds; ; patience = longer(patience)) {
    lock.ensureHeld();
    const extra: string[] = [];
    try {
      await watchingBlockers(lock.session, run.session, async (seen) => {
        try {
          await attempt(patience);
        } finally {
          extra.push(...seen.blockers.map(({ description }) => `blocked by ${description}`));
        }
      });
      return;
    } catch (failure) {
      const state = stateOf(causeOf(failure));
      const isBlocked = state === sqlState.lockNotAvailable || state === sqlState.deadlockDetected;
      const pause = patience * 5 * (0.8 + Math.random() * 0.4);
      if (!isBlocked) throw failure;
      if (Date.now() + pause > deadline) {
        const waited = `Gave up after ${deadlines.lockSeconds} s of short attempts, so that nobody queues behind it.`;
        throw giveUp(failure, [...extra, waited]);
      }
      const [who = "a lock that is held"] = extra;
      const message = `${who}; trying again in ${(pause / 1000).toFixed(1)} s`;
      onProgress({ event: "waiting", migration: migration.id, message });
      await sleep(pause);
    }
  }
}

function longer(milliseconds: number): number {
  return Math.min(milliseconds * 2, longestLockMilliseconds);
}
