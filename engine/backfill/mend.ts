import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { lockMilliseconds } from "./batchEnds";
import type { KeyValues } from "./backfillCursor";
import { fencedWrite, sessionsPath, withJournalTransaction } from "../journal/journalWriter";
import type { MigrationRun } from "../journal/fileContext";
import { keyColumns, keyOf, type LiveSync } from "../sync/liveSync";
import { setFilling } from "../sync/syncNames";
import { watchingBlockers } from "../locks/blockers";
import { UserError } from "../../userError";
import { sqlState, stateOf } from "../session/databaseErrors";
import { withTransaction } from "../session/transaction";

/** Rows set right in one transaction, and keys read in one look at the table. */
const batchRows = 500;
const mostKeys = 50_000;
const retryMilliseconds = 200;
/** How long it waits once more to see for whom. */
const lookingMilliseconds = 400;

/** What a mending has done. */
export interface Mended {
  /** Rows that were set right. */
  readonly rows: number;
  /** Rows that disagree still, although all of them were written and nobody held any. */
  readonly helpless: number;
}

/**
 * Sets right every row that disagrees: one that the backfill went round because somebody held it,
 * one that a rename passed by, one that was written past the triggers. The old side decides. Reads
 * the table once where little is wrong.
 */
export async function mend(work: MigrationRun, live: LiveSync): Promise<Mended> {
  let mended = 0;
  for (;;) {
    const keys = await keysOfWrong(work, live);
    if (keys.length === 0) return { rows: mended, helpless: 0 };
    let helpless = 0;
    for (let at = 0; at < keys.length; at += batchRows) {
      helpless += await mendRows(work, live, keys.slice(at, at + batchRows));
    }
    mended += keys.length - helpless;
    // The audit tells of rows that no writing sets right; they would be found for ever.
    if (keys.length < mostKeys || helpless > 0) return { rows: mended, helpless };
  }
}

/**
 * Until none of these rows disagrees, as long as locks may be waited for.
 * @returns how many of them disagree although nobody held any and all were written: a default is NULL,
 *   a trigger of the application takes back what is written
 */
async function mendRows(
  work: MigrationRun,
  live: LiveSync,
  keys: readonly KeyValues[],
): Promise<number> {
  const deadline = Date.now() + work.deadlines.lockSeconds * 1000;
  let left = keys;
  for (;;) {
    work.lock.ensureHeld();
    const written = await mendFree(work, live, left);
    const before = left.length;
    left = await keysOfWrong(work, live, left);
    if (left.length === 0) return 0;
    if (written === before && left.length === before) return before;
    if (Date.now() > deadline) throw await heldRows(work, live, left);
    await sleep(retryMilliseconds * (0.5 + Math.random()));
  }
}

/**
 * Those that nobody holds. A deadlock or a wait is no failure: they come again.
 * @returns how many were free; a trigger may have kept the value of any
 */
async function mendFree(
  { run, migration }: MigrationRun,
  live: LiveSync,
  keys: readonly KeyValues[],
): Promise<number> {
  const { client } = run.session;
  const quote = (name: string): string => client.escapeIdentifier(name);
  const { from, where, values, isFilling } = live.mend;
  const free = `SELECT ${keyColumns(live.table, "t", quote)},
       ${values.map((value, index) => `${value} AS stateful_cd_${index}`).join(", ")}
       FROM ${from} WHERE ${among(client, live, keys)} AND ${where} FOR NO KEY UPDATE OF t SKIP LOCKED`;
  const set = live.filled.map((name, index) => `${quote(name)} = free.stateful_cd_${index}`);
  const settings = [
    `SET LOCAL lock_timeout = ${lockMilliseconds}`,
    ...(isFilling ? [setFilling] : []),
    sessionsPath(run.session),
  ];
  try {
    return await withJournalTransaction(
      run,
      async () => {
        const { rows } = await client.query<{ count: number }>(
          `WITH free AS MATERIALIZED (${free}),
           written AS (
             UPDATE ${live.table.sql} t SET ${set.join(", ")} FROM free
              WHERE (${keyColumns(live.table, "t", quote)}) = (${keyColumns(live.table, "free", quote)}))
           SELECT count(*)::int AS count FROM free`,
        );
        await fencedWrite(
          run,
          "UPDATE stateful_cd.migrations SET changed_at = changed_at FROM fence WHERE id = $2",
          [migration.id],
        );
        return rows[0]?.count ?? 0;
      },
      settings,
    );
  } catch (error) {
    const passing: unknown[] = [
      sqlState.lockNotAvailable,
      sqlState.deadlockDetected,
      sqlState.foreignKeyViolation,
    ];
    if (passing.includes(stateOf(error))) return 0;
    throw error;
  }
}

/** The keys of rows that disagree, of the whole table or of some of it. */
async function keysOfWrong(
  { run }: MigrationRun,
  live: LiveSync,
  some?: readonly KeyValues[],
): Promise<KeyValues[]> {
  const { client } = run.session;
  const { from, where } = live.mend;
  const only = some === undefined ? "" : `${among(client, live, some)} AND `;
  const { rows } = await client.query<{ key: KeyValues }>(
    `SELECT ${keyOf(live.table, (name) => client.escapeIdentifier(name))} AS key
       FROM ${from} WHERE ${only}${where} LIMIT ${mostKeys}`,
  );
  return rows.map(({ key }) => key);
}

function among(client: Client, { table }: LiveSync, keys: readonly KeyValues[]): string {
  const one = (key: KeyValues): string =>
    key
      .map((value, index) => `${client.escapeLiteral(value)}::${table.key[index]?.type ?? "text"}`)
      .join(", ");
  const columns = keyColumns(table, "t", (name) => client.escapeIdentifier(name));
  return `(${columns}) IN (${keys.map((key) => `(${one(key)})`).join(", ")})`;
}

/** Who has to have taken back what was written into rows that nobody held; no line where none were. */
export function whoTakesBack({ table }: LiveSync, helpless: number): string[] {
  const { updateTriggers } = table;
  if (helpless === 0 || updateTriggers.length === 0) return [];
  return [
    `Rows that were written, and disagree still: ${helpless}. A trigger that sees each row first may take that back: ${updateTriggers.join(", ")}.`,
  ];
}

async function heldRows(
  work: MigrationRun,
  live: LiveSync,
  keys: readonly KeyValues[],
): Promise<UserError> {
  const rows = among(work.run.session.client, live, keys);
  const query = `SELECT FROM ${live.table.sql} t WHERE ${rows} FOR NO KEY UPDATE`;
  return new UserError(
    `Migration ${work.migration.id} failed while filling the new columns: rows of ${live.table.shown} are held by others: ${keys.length}.`,
    [...(await whoHolds(work, query)), `Tried for ${work.deadlines.lockSeconds} s.`],
    "wait until the sessions named above have ended, or end them; then run the same command again",
  );
}

/**
 * The sessions that a query has to wait for, a line each.
 * @param query takes locks; waits a moment for them once more, and changes nothing
 */
export async function whoHolds({ run, lock }: MigrationRun, query: string): Promise<string[]> {
  const { client } = run.session;
  return watchingBlockers(lock.session, run.session, async (seen) => {
    await withTransaction(client, () =>
      client.query(`SET LOCAL lock_timeout = ${lookingMilliseconds}; ${query}`),
    ).catch(() => undefined);
    return seen.blockers.map(({ description }) => `blocked by ${description}`);
  });
}
