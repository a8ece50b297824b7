import { setTimeout as sleep } from "node:timers/promises";
import { watchingBlockers } from "./blockers";
import { sqlState, stateOf } from "./databaseErrors";
import type { FileRun } from "./fileContext";
import type { Statement } from "./parser";
import type { Segment } from "./segments";
import { headOf } from "./sourceText";
import { withTransaction } from "./transaction";

/** An error and the statement that met it; none at COMMIT. */
export class StatementFailure extends Error {
  constructor(
    readonly error: unknown,
    readonly statement: Statement | undefined,
    readonly extra: readonly string[],
  ) {
    super(error instanceof Error ? error.message : String(error));
  }
}

const firstLockMilliseconds = 200;
/** Above PostgreSQL's deadlock_timeout of 1 s, after which an autovacuum makes way. */
const longestLockMilliseconds = 1500;

/**
 * Runs a segment as one transaction with its journal row. While it waits for a lock everybody
 * queues behind it, so it waits briefly, lets everybody pass, and tries again until the deadline.
 * @throws StatementFailure
 */
export async function runTransaction(
  context: FileRun,
  segment: Segment,
  of: number,
  record: () => Promise<void>,
): Promise<void> {
  const { lock, run, migration, onProgress, deadlines } = context;
  const deadline = Date.now() + deadlines.lockSeconds * 1000;
  for (let patience = firstLockMilliseconds; ; patience = longer(patience)) {
    lock.ensureHeld();
    const extra: string[] = [];
    try {
      await watchingBlockers(lock.session, run.session, async (seen) => {
        try {
          await runOnce(context, segment, of, patience, record);
        } finally {
          extra.push(...seen.blockers.map(({ description }) => `blocked by ${description}`));
        }
      });
      return;
    } catch (failure) {
      if (!(failure instanceof StatementFailure)) throw failure;
      const state = stateOf(failure.error);
      const isBlocked = state === sqlState.lockNotAvailable || state === sqlState.deadlockDetected;
      const pause = patience * 5 * (0.8 + Math.random() * 0.4);
      if (!isBlocked) throw failure;
      if (Date.now() + pause > deadline) {
        const waited = `Gave up after ${deadlines.lockSeconds} s of short attempts, so that nobody queues behind it.`;
        throw new StatementFailure(failure.error, failure.statement, [...extra, waited]);
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

async function runOnce(
  { run, migration, onProgress }: FileRun,
  segment: Segment,
  of: number,
  lockMilliseconds: number,
  record: () => Promise<void>,
): Promise<void> {
  const { client } = run.session;
  const begin = segment.begin ?? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
  const settings = `SET LOCAL lock_timeout = ${lockMilliseconds}; SET LOCAL client_connection_check_interval = 1000`;
  let current = segment.statements[0];
  try {
    await withTransaction(
      client,
      async () => {
        for (const statement of segment.statements) {
          current = statement;
          const message = `statement ${statement.number} of ${of}: ${headOf(statement.text)}`;
          onProgress({ event: "statement", migration: migration.id, message });
          await client.query(statement.text);
        }
        current = undefined;
        await record();
      },
      `${begin}; ${settings}`,
    );
  } catch (error) {
    throw new StatementFailure(error, current, []);
  }
}
