import { setTimeout as sleep } from "node:timers/promises";
import { type Batch, runBatch } from "./backfillBatch";
import { type BackfillCursor, type KeyValues, readCursor, startCursor } from "./backfillCursor";
import { watchingBlockers } from "../locks/blockers";
import { sqlState, stateOf } from "../session/databaseErrors";
import type { MigrationRun } from "../journal/fileContext";
import { withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "./liveSync";
import { resetSession } from "../session/session";
import { inShortLocks } from "./syncDdl";
import { explainSyncError } from "./syncError";

const firstBatch = 500;
/** What a writer may have to wait for a row, or a rename for its warehouse. */
const batchMilliseconds = 60;
const mostRows = 20_000;
/** The part of a batch's time that the server is left to others after it. */
const restPart = 0.2;
/** Passes that leave locked rows to the next one; after them it waits, and tells for whom. */
const skippingPasses = 3;
const retryMilliseconds = 200;
const tellEachMilliseconds = 1_000;

/**
 * Fills the new columns of all rows that were there at the start, in batches by the table's key.
 * A batch and its cursor are one transaction, so that a killed backfill goes on where it was.
 * Rows that others hold are come back to in a later pass.
 */
export async function backfill(work: MigrationRun, live: LiveSync): Promise<void> {
  const { run, migration, lock } = work;
  await resetSession(run.session);
  let cursor = (await readCursor(run.session.client, migration.id)) ?? (await begin(work, live));
  let size = firstBatch;
  let pass = 1;
  let tried = Date.now();
  const tell = progressOf(work, live, cursor.seen);
  while (!cursor.finished) {
    lock.ensureHeld();
    const started = Date.now();
    const blockers: string[] = [];
    try {
      cursor = await withBlockers(work, blockers, () =>
        fillNext(work, live, cursor, size, pass <= skippingPasses),
      );
    } catch (error) {
      const waited = work.deadlines.lockSeconds;
      if (!isInTheWay(error) || Date.now() - tried > waited * 1000) {
        const extra = isInTheWay(error) ? [...blockers, `Tried for ${waited} s.`] : [];
        throw explainSyncError(error, work, "filling the new columns", extra);
      }
      size = Math.max(1, Math.floor(size / 2));
      await sleep(retryMilliseconds * (0.5 + Math.random()));
      continue;
    }
    tried = Date.now();
    const took = tried - started;
    const factor = Math.min(2, Math.max(0.5, batchMilliseconds / Math.max(1, took)));
    size = Math.round(Math.min(mostRows, Math.max(1, size * factor)));
    tell(cursor);
    const isNewPass = cursor.position === null && !cursor.finished;
    if (isNewPass) pass += 1;
    if (!cursor.finished) await sleep(isNewPass ? retryMilliseconds : took * restPart);
  }
}

/** First as if nobody was there, which is cheaper; where somebody is, without the rows they hold. */
async function fillNext(
  work: MigrationRun,
  live: LiveSync,
  cursor: BackfillCursor,
  size: number,
  maySkip: boolean,
): Promise<BackfillCursor> {
  const batch: Batch = { size, skipLocked: false };
  try {
    return await runBatch(work, live, cursor, batch);
  } catch (error) {
    if (!isInTheWay(error) || !maySkip) throw error;
    return runBatch(work, live, cursor, { ...batch, skipLocked: true });
  }
}

async function withBlockers<T>(
  { lock, run }: MigrationRun,
  blockers: string[],
  fill: () => Promise<T>,
): Promise<T> {
  return watchingBlockers(lock.session, run.session, async (seen) => {
    try {
      return await fill();
    } finally {
      blockers.push(...seen.blockers.map(({ description }) => `blocked by ${description}`));
    }
  });
}

/** A row lock held by others, a deadlock, or a row that was just renamed under the batch. */
function isInTheWay(error: unknown): boolean {
  const states: unknown[] = [
    sqlState.lockNotAvailable,
    sqlState.deadlockDetected,
    sqlState.foreignKeyViolation,
  ];
  return states.includes(stateOf(error));
}

async function begin(work: MigrationRun, live: LiveSync): Promise<BackfillCursor> {
  const { run, migration } = work;
  const { client } = run.session;
  const { table } = live;
  await inShortLocks(work, `analysing ${table.shown}`, [`ANALYZE ${table.sql}`]);
  const columns = table.key.map(({ name }) => client.escapeIdentifier(name));
  const { rows } = await client.query<{ key: KeyValues }>(
    `SELECT json_build_array(${columns.map((name) => `${name}::text`).join(", ")}) AS key
       FROM ${table.sql} ORDER BY ${columns.map((name) => `${name} DESC`).join(", ")} LIMIT 1`,
  );
  return withJournalTransaction(run, () => startCursor(run, migration.id, rows[0]?.key ?? null));
}

/** Lines with rows, rate and time left, at most one a second and one at the end. */
function progressOf(
  { migration, onProgress }: MigrationRun,
  { table }: LiveSync,
  before: number,
): (cursor: BackfillCursor) => void {
  const started = Date.now();
  let told = 0;
  return ({ seen, position, finished }) => {
    const now = Date.now();
    if (!finished && position !== null && now - told < tellEachMilliseconds) return;
    told = now;
    const rate = (Math.max(0, seen - before) * 1000) / Math.max(1, now - started);
    const total = Math.max(seen, table.estimatedRows);
    const rows = seen.toLocaleString("en-US");
    const speed = `${Math.round(rate).toLocaleString("en-US")} rows/s`;
    const message = finished
      ? `backfill: ${rows} rows of ${table.shown} looked at, ${speed}`
      : position === null
        ? `backfill: coming back to rows of ${table.shown} that others held`
        : `backfill: ${rows} of about ${total.toLocaleString("en-US")} rows of ${table.shown}, ${speed}, ${Math.ceil((total - seen) / Math.max(1, rate))} s left`;
    onProgress({ event: "backfill", migration: migration.id, message });
  };
}
