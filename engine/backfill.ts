import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../userError";
import {
  type BackfillCursor,
  type KeyValues,
  moveCursor,
  readCursor,
  startCursor,
} from "./backfillCursor";
import { watchingBlockers } from "./blockers";
import { sqlState, stateOf } from "./databaseErrors";
import type { MigrationRun } from "./fileContext";
import { withJournalTransaction } from "./journalWriter";
import type { LiveSync } from "./liveSync";
import { resetSession } from "./session";
import { inShortLocks } from "./syncDdl";
import { explainSyncError } from "./syncError";

const firstBatch = 500;
const batchMilliseconds = 100;
const fewestRows = 1;
const mostRows = 20_000;
/** Well below PostgreSQL's deadlock_timeout of 1 s: nobody is cancelled for the backfill's sake. */
const rowLockMilliseconds = 100;
/** The part of a batch's time that the server is left to others after it. */
const restPart = 0.2;
const tellEachMilliseconds = 1_000;

/**
 * Fills the new columns of all rows that were there at the start, in batches by the table's key.
 * A batch and its cursor are one transaction, so that a killed backfill goes on where it was.
 */
export async function backfill(work: MigrationRun, live: LiveSync): Promise<void> {
  const { run, migration, lock } = work;
  const { client } = run.session;
  await resetSession(run.session);
  let cursor = (await readCursor(client, migration.id)) ?? (await begin(work, live));
  let size = firstBatch;
  const tell = progressOf(work, live, cursor.seen);
  let lastDone = Date.now();
  while (!cursor.finished) {
    lock.ensureHeld();
    const started = Date.now();
    const blockers: string[] = [];
    try {
      cursor = await watchingBlockers(lock.session, run.session, async (seen) => {
        try {
          return await runBatch(work, live, cursor, size);
        } finally {
          blockers.push(...seen.blockers.map(({ description }) => `blocked by ${description}`));
        }
      });
    } catch (error) {
      if (!isInTheWay(error)) throw explainSyncError(error, work, "filling the new columns");
      if (Date.now() - lastDone > work.deadlines.lockSeconds * 1000) {
        const waited = `Tried for ${work.deadlines.lockSeconds} s to lock the next row.`;
        throw explainSyncError(error, work, "filling the new columns", [...blockers, waited]);
      }
      size = Math.max(fewestRows, Math.floor(size / 4));
      await sleep(rowLockMilliseconds * (1 + Math.random()));
      continue;
    }
    lastDone = Date.now();
    const took = lastDone - started;
    const factor = Math.min(2, Math.max(0.5, batchMilliseconds / Math.max(1, took)));
    size = Math.round(Math.min(mostRows, Math.max(fewestRows, size * factor)));
    tell(cursor);
    if (!cursor.finished) await sleep(took * restPart);
  }
}

/** A row lock held by others, a deadlock, or a row that has just been renamed under the batch. */
function isInTheWay(error: unknown): boolean {
  const states: unknown[] = [sqlState.lockNotAvailable, sqlState.deadlockDetected, "23503"];
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

/** @returns the cursor after the batch */
async function runBatch(
  { run, migration }: MigrationRun,
  live: LiveSync,
  cursor: BackfillCursor,
  size: number,
): Promise<BackfillCursor> {
  const { client } = run.session;
  const { table } = live;
  const key = table.key.map(({ name }) => `t.${client.escapeIdentifier(name)}`).join(", ");
  const literal = (values: KeyValues): string => {
    if (values.length !== table.key.length) {
      throw new UserError(
        `The key of ${table.shown} has changed during the backfill of ${migration.id}.`,
        [],
        `DELETE FROM stateful_cd.backfills WHERE migration = '${migration.id}', then run the same command again`,
      );
    }
    const parts = values.map(
      (value, index) => `${client.escapeLiteral(value)}::${table.key[index]?.type ?? "text"}`,
    );
    return `ROW(${parts.join(", ")})`;
  };
  return withJournalTransaction(run, async () => {
    const done = { ...cursor, finished: true };
    if (cursor.watermark === null) {
      await moveCursor(run, migration.id, done);
      return done;
    }
    await client.query(`SET LOCAL lock_timeout = ${rowLockMilliseconds}`);
    const after = cursor.position === null ? "" : `ROW(${key}) > ${literal(cursor.position)} AND `;
    const last = literal(cursor.watermark);
    const { rows } = await client.query<{ upper: KeyValues; count: number }>(
      `SELECT json_build_array(${table.key.map((_, index) => `b.k${index}::text`).join(", ")}) AS upper,
              b.n::int AS count
         FROM (SELECT ${table.key.map(({ name }, index) => `t.${client.escapeIdentifier(name)} AS k${index}`).join(", ")},
                      row_number() OVER (ORDER BY ${key}) AS n
                 FROM ${table.sql} t WHERE ${after}ROW(${key}) <= ${last}
                ORDER BY ${key} LIMIT ${size}) b
        ORDER BY b.n DESC LIMIT 1`,
    );
    const [batch] = rows;
    if (batch === undefined) {
      await moveCursor(run, migration.id, done);
      return done;
    }
    const range = `${after}ROW(${key}) <= ${literal(batch.upper)}`;
    for (const statement of live.fill(range)) await client.query(statement);
    const moved = {
      ...cursor,
      position: batch.upper,
      seen: cursor.seen + batch.count,
      finished: batch.count < size,
    };
    await moveCursor(run, migration.id, moved);
    return moved;
  });
}

/** Lines with rows, rate and time left, at most one a second and one at the end. */
function progressOf(
  { migration, onProgress }: MigrationRun,
  { table }: LiveSync,
  before: number,
): (cursor: BackfillCursor) => void {
  const started = Date.now();
  let told = 0;
  return ({ seen, finished }) => {
    const now = Date.now();
    if (!finished && now - told < tellEachMilliseconds) return;
    told = now;
    const rate = ((seen - before) * 1000) / Math.max(1, now - started);
    const total = Math.max(seen, table.estimatedRows);
    const rows = seen.toLocaleString("en-US");
    const speed = `${Math.round(rate).toLocaleString("en-US")} rows/s`;
    const message = finished
      ? `backfill: ${rows} rows of ${table.shown} looked at, ${speed}`
      : `backfill: ${rows} of about ${total.toLocaleString("en-US")} rows of ${table.shown}, ${speed}, ${Math.ceil((total - seen) / Math.max(1, rate))} s left`;
    onProgress({ event: "backfill", migration: migration.id, message });
  };
}
