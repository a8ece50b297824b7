import type { Client } from "pg";
import { fencedWrite, type Run } from "../journal/journalWriter";

/** A row's key as texts, in the order of the key's columns. */
export type KeyValues = readonly string[];

/** How far a backfill has come. */
export interface BackfillCursor {
  /** The last key done; null before the first batch. */
  readonly position: KeyValues | null;
  /** The last key to do: rows that come later are filled by the triggers. null for an empty table. */
  readonly watermark: KeyValues | null;
  /** How many rows were looked at. */
  readonly seen: number;
  readonly finished: boolean;
}

/** undefined before the first start. */
export async function readCursor(
  client: Client,
  migration: string,
): Promise<BackfillCursor | undefined> {
  const { rows } = await client.query<BackfillCursor>(
    `SELECT position, watermark, rows_seen::float8 AS seen, finished_at IS NOT NULL AS finished
       FROM stateful_cd.backfills WHERE migration = $1`,
    [migration],
  );
  return rows[0];
}

/** Starts from the beginning, whatever an earlier backfill of this migration has done. */
export async function startCursor(
  run: Run,
  migration: string,
  watermark: KeyValues | null,
): Promise<BackfillCursor> {
  await fencedWrite(
    run,
    `INSERT INTO stateful_cd.backfills (migration, watermark, epoch)
       SELECT $2, $3, $1 FROM fence
     ON CONFLICT (migration) DO UPDATE
       SET position = NULL, watermark = excluded.watermark, rows_seen = 0, epoch = excluded.epoch,
           started_at = clock_timestamp(), finished_at = NULL`,
    [migration, watermark === null ? null : JSON.stringify(watermark)],
  );
  return { position: null, watermark, seen: 0, finished: false };
}

/** Belongs into the batch's own transaction: rows and cursor move together or not at all. */
export async function moveCursor(
  run: Run,
  migration: string,
  { position, seen, finished }: BackfillCursor,
): Promise<void> {
  await fencedWrite(
    run,
    `UPDATE stateful_cd.backfills
        SET position = $3, rows_seen = $4, epoch = $1,
            finished_at = CASE WHEN $5 THEN clock_timestamp() END
       FROM fence WHERE migration = $2`,
    [migration, position === null ? null : JSON.stringify(position), seen, finished],
  );
}

/** Forgets how far it came, so that the next backfill starts from the beginning. */
export async function dropCursor(run: Run, migration: string): Promise<void> {
  const { client } = run.session;
  await client.query("DELETE FROM stateful_cd.backfills WHERE migration = $1", [migration]);
}
