import type { Client } from "pg";
import { fencedWrite, type Run } from "../journal/journalWriter";
import { isFilling } from "../sync/syncNames";

/** A row's key as texts, in the order of the key's columns. */
export type KeyValues = readonly string[];

/** How far a backfill has come in one range of the key. */
export interface BackfillCursor {
  /** From 1; one a worker. */
  readonly part: number;
  /** The range begins after this key; null: with the first row. */
  readonly lower: KeyValues | null;
  /** The last key done; null before the first batch. */
  readonly position: KeyValues | null;
  /** The last key to do: rows that come later are filled by the triggers. null for an empty table. */
  readonly watermark: KeyValues | null;
  /** How many rows were looked at. */
  readonly seen: number;
  readonly finished: boolean;
}

/** In the order of their ranges; empty before the first start. */
export async function readCursors(client: Client, migration: string): Promise<BackfillCursor[]> {
  const { rows } = await client.query<BackfillCursor>(
    `SELECT part, lower, position, watermark, rows_seen::float8 AS seen,
            finished_at IS NOT NULL AS finished
       FROM stateful_cd.backfills WHERE migration = $1 ORDER BY part`,
    [migration],
  );
  return rows;
}

/**
 * Starts from the beginning. Call in a transaction.
 * @param ends the last key of each worker's range, in order; [null] for an empty table
 */
export async function startCursors(
  run: Run,
  migration: string,
  ends: readonly (KeyValues | null)[],
): Promise<BackfillCursor[]> {
  const started: BackfillCursor[] = [];
  for (const [index, watermark] of ends.entries()) {
    const lower = ends[index - 1] ?? null;
    const part = index + 1;
    await fencedWrite(
      run,
      `INSERT INTO stateful_cd.backfills (migration, part, lower, watermark, epoch)
         SELECT $2, $3, $4, $5, $1 FROM fence`,
      [migration, part, jsonOf(lower), jsonOf(watermark)],
    );
    started.push({ part, lower, position: null, watermark, seen: 0, finished: false });
  }
  return started;
}

/**
 * Belongs into the batch's own transaction: rows and cursor move together or not at all.
 * @param isKnown as recordWhole has it
 */
export async function moveCursor(
  run: Run,
  migration: string,
  { part, position, seen, finished }: BackfillCursor,
  isKnown: boolean,
): Promise<void> {
  await fencedWrite(
    run,
    `UPDATE stateful_cd.backfills
        SET position = $4, rows_seen = $5, epoch = $1,
            finished_at = CASE WHEN $6 THEN clock_timestamp() END
       FROM fence WHERE migration = $2 AND part = $3 AND ${isFilling}`,
    [migration, part, jsonOf(position), seen, finished],
    isKnown ? { name: "move cursor" } : {},
  );
}

/** Forgets how far it came, so that the next backfill starts from the beginning. */
export async function dropCursors(run: Run, migration: string): Promise<void> {
  const { client } = run.session;
  await client.query("DELETE FROM stateful_cd.backfills WHERE migration = $1", [migration]);
}

function jsonOf(values: KeyValues | null): string | null {
  return values === null ? null : JSON.stringify(values);
}
