import { type BackfillCursor, moveCursor } from "./backfillCursor";
import { lockMilliseconds, rangeOf } from "./batchEnds";
import type { MigrationRun } from "../journal/fileContext";
import { journalBegin, sessionsPath, withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "../sync/liveSync";
import { isFilling, setFilling } from "../sync/syncNames";
import { inOnePacket } from "../session/transaction";
import { fillRange } from "./untouched";

/**
 * A batch may be lost in a crash of the server, together with its cursor: the next run does it
 * again. What comes after the backfill waits for the disk, and all batches with it.
 */
const settings = [
  `SET LOCAL lock_timeout = ${lockMilliseconds}`,
  "SET LOCAL synchronous_commit = off",
  setFilling,
];

export interface Batch {
  /** Where it begins. */
  readonly cursor: BackfillCursor;
  /** Where it ends. */
  readonly end: BackfillCursor;
  /** Transactions that share the range: each takes some rows of every page. */
  readonly stripes: number;
}

/**
 * Fills rows by the key; rows and cursor are one transaction, the last of the batch's stripes. Of a
 * full page the first stripe's rows have to move, with an entry in every index each; the room that
 * they leave lets the later stripes' rows stay (HOT), without any.
 * @param skipLocked leaves rows that others hold to be mended later instead of waiting for them
 * @returns how long its longest transaction took, in milliseconds
 */
export async function runBatch(
  { run, migration }: MigrationRun,
  live: LiveSync,
  { cursor, end, stripes }: Batch,
  skipLocked: boolean,
): Promise<number> {
  const { client } = run.session;
  const range = rangeOf(client, live, cursor, end);
  let longest = 0;
  for (let stripe = 1; stripe <= stripes; stripe++) {
    const started = Date.now();
    // By where a row lies, whatever its key is made of: each stripe has some of every page.
    const part = stripe === stripes ? "" : ` AND abs(hashtid(t.ctid) % ${stripes}) = ${stripe}`;
    const fill = async (): Promise<void> => {
      if (range === undefined) return;
      await fillRange(client, live, `${range}${part} AND ${isFilling}`, skipLocked);
    };
    const reached = stripe === stripes ? end : cursor;
    const move = () => moveCursor(run, migration.id, reached, !live.table.isTriggered);
    const all = [...settings, sessionsPath(run.session)];
    if (live.table.updateTriggers.length > 0) {
      // What triggers of the application do to a row is looked at before it is kept.
      await withJournalTransaction(run, fill, all, move);
    } else {
      // Behind a BEGIN that fails nothing is filling: neither of them does anything.
      await inOnePacket(client, journalBegin(run, all), fill, move);
    }
    longest = Math.max(longest, Date.now() - started);
  }
  return longest;
}
