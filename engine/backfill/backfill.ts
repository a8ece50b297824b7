import { setTimeout as sleep } from "node:timers/promises";
import { type Batch, runBatch } from "./backfillBatch";
import { type BackfillCursor, type KeyValues, readCursors, startCursors } from "./backfillCursor";
import { endsAhead, nextRow } from "./batchEnds";
import { keyRanges, stripesOf } from "./keyRanges";
import { whoHolds } from "./mend";
import { restingFor, type RestAfter } from "./pressure";
import { sqlState, stateOf } from "../session/databaseErrors";
import type { MigrationRun } from "../journal/fileContext";
import { withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "../sync/liveSync";
import { resetSession, withSession } from "../session/session";
import { inShortLocks } from "../sync/syncDdl";
import { explainSyncError } from "../sync/syncError";

const firstBatch = 2_000;
/**
 * What a writer may have to wait for a row, or a rename for its warehouse; and, where there are few
 * processors, for one of them.
 */
const batchMilliseconds = 10;
const mostRows = 50_000;
const retryMilliseconds = 100;
const tellEachMilliseconds = 1_000;

/**
 * Fills the new columns of all rows that were there at the start, in batches by the table's key,
 * by one worker or several on ranges of their own. A batch and its cursor are one transaction, so
 * that a killed backfill goes on where it was. Rows that others hold are left to be mended.
 */
export async function backfill(work: MigrationRun, live: LiveSync): Promise<void> {
  const { run, migration } = work;
  await resetSession(run.session);
  const found = await readCursors(run.session.client, migration.id);
  const cursors = found.length > 0 ? found : await begin(work, live);
  const stripes = await stripesOf(run.session.client, live);
  const tell = progressOf(work, live, cursors);
  const [first, ...others] = cursors.filter(({ finished }) => !finished);
  if (first === undefined) return;
  await withWorkers(work, others.length, async (workers) => {
    const all = [work, ...workers];
    const pids = all.map((worker) => worker.run.session.facts.backendPid);
    const rest = restingFor(work, live, pids);
    await rest(0);
    const parts = [first, ...others].map((cursor, index) =>
      fillPart(all[index] ?? work, live, { cursor, stripes, rest, tell }),
    );
    // All have come to a standstill before the first failure is told: none writes after its run.
    const outcomes = await Promise.allSettled(parts);
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  });
}

interface Part {
  readonly cursor: BackfillCursor;
  readonly stripes: number;
  readonly rest: RestAfter;
  readonly tell: (cursor: BackfillCursor) => void;
}

async function fillPart(
  work: MigrationRun,
  live: LiveSync,
  { cursor: from, stripes, rest, tell }: Part,
): Promise<void> {
  let cursor = from;
  let size = firstBatch;
  let tried = Date.now();
  // Looks are short, and the session that keeps the run lock has nothing else to do.
  const endOfBatch = endsAhead(work.lock.session.client, live);
  while (!cursor.finished) {
    work.lock.ensureHeld();
    const started = Date.now();
    let longest: number;
    try {
      const end = await endOfBatch(cursor, size);
      longest = await fillNext(work, live, { cursor, end, stripes });
      cursor = end;
    } catch (error) {
      if (isAboutData(error)) {
        // Halved until the batch is the one row that it fails for.
        if (size > 1) {
          size = Math.floor(size / 2);
          continue;
        }
        const row = `row of ${live.table.shown}: ${await nextRow(work.run.session.client, live, cursor)}`;
        throw explainSyncError(error, work, "filling the new columns", [row]);
      }
      const waited = work.deadlines.lockSeconds;
      if (!isInTheWay(error) || Date.now() - tried > waited * 1000) {
        // Rows that others hold are gone round: it is the table.
        const extra = isInTheWay(error)
          ? [
              ...(await whoHolds(work, `SELECT FROM ${live.table.sql} LIMIT 1`)),
              `Tried for ${waited} s.`,
            ]
          : [];
        throw explainSyncError(error, work, "filling the new columns", extra);
      }
      size = Math.max(1, Math.floor(size / 2));
      await sleep(retryMilliseconds * (0.5 + Math.random()));
      continue;
    }
    tried = Date.now();
    const factor = Math.min(4, Math.max(0.5, batchMilliseconds / Math.max(1, longest)));
    size = Math.round(Math.min(mostRows, Math.max(1, size * factor)));
    tell(cursor);
    if (!cursor.finished && (await rest(tried - started))) size = Math.max(1, size >> 1);
  }
}

/**
 * First as if nobody was there, which is cheaper; where somebody is, without the rows they hold. A gentle
 * one never waits: whoever holds the row may be waiting for one of the batch, until the time is out.
 */
async function fillNext(work: MigrationRun, live: LiveSync, batch: Batch): Promise<number> {
  if (live.pace === "gentle") return runBatch(work, live, batch, true);
  try {
    return await runBatch(work, live, batch, false);
  } catch (error) {
    if (!isInTheWay(error)) throw error;
    return runBatch(work, live, batch, true);
  }
}

/** A row lock held by others, or a deadlock. */
function isInTheWay(error: unknown): boolean {
  const states: unknown[] = [sqlState.lockNotAvailable, sqlState.deadlockDetected];
  return states.includes(stateOf(error));
}

/** A value that an expression or a type does not take. */
function isAboutData(error: unknown): boolean {
  return stateOf(error)?.startsWith("22") === true;
}

async function begin(work: MigrationRun, live: LiveSync): Promise<BackfillCursor[]> {
  const { run, migration } = work;
  const { client } = run.session;
  await inShortLocks(work, `analysing ${live.table.shown}`, [`ANALYZE ${live.table.sql}`]);
  const ends: (KeyValues | null)[] = await keyRanges(client, live);
  return withJournalTransaction(run, () => startCursors(run, migration.id, ends));
}

/** Sessions for further workers, ended with the last of them. */
async function withWorkers(
  work: MigrationRun,
  count: number,
  use: (workers: readonly MigrationRun[]) => Promise<void>,
  workers: readonly MigrationRun[] = [],
): Promise<void> {
  if (workers.length === count) return use(workers);
  await withSession(work.connect, async (session) => {
    await resetSession(session);
    const worker = { ...work, run: { ...work.run, session } };
    await withWorkers(work, count, use, [...workers, worker]);
  });
}

/** Lines with rows, rate and time left of all workers, at most one a second and one at the end. */
function progressOf(
  { migration, onProgress }: MigrationRun,
  { table }: LiveSync,
  cursors: readonly BackfillCursor[],
): (cursor: BackfillCursor) => void {
  const seenBy = new Map(cursors.map(({ part, seen }) => [part, seen]));
  const unfinished = new Set(cursors.filter(({ finished }) => !finished).map(({ part }) => part));
  const sum = (): number => [...seenBy.values()].reduce((total, seen) => total + seen, 0);
  const before = sum();
  const started = Date.now();
  let told = 0;
  return ({ part, seen: done, finished }) => {
    seenBy.set(part, done);
    if (finished) unfinished.delete(part);
    const isLast = unfinished.size === 0;
    const now = Date.now();
    if (!isLast && now - told < tellEachMilliseconds) return;
    told = now;
    const seen = sum();
    const rate = ((seen - before) * 1000) / Math.max(1, now - started);
    const total = Math.max(seen, table.estimatedRows);
    const rows = seen.toLocaleString("en-US");
    const speed = `${Math.round(rate).toLocaleString("en-US")} rows/s`;
    const message = isLast
      ? `backfill: ${rows} rows of ${table.shown} looked at, ${speed}`
      : `backfill: ${rows} of about ${total.toLocaleString("en-US")} rows of ${table.shown}, ${speed}, ${Math.ceil((total - seen) / Math.max(1, rate))} s left`;
    onProgress({ event: "backfill", migration: migration.id, message });
  };
}
