import type { Client } from "pg";
import { fencedWrite, type Run, withJournalTransaction } from "../journal/journalWriter";

/** What migrations may keep the users of one table waiting, in an hour. */
export const defaultStallMilliseconds = 1000;

/** Time for which others may have queued behind a request for a table's lock. */
export interface Stall {
  /** The table as people see it. */
  readonly table: string;
  readonly milliseconds: number;
}

/** How a table's account stands. */
export interface Account {
  readonly table: string;
  /** In the last hour. */
  readonly spent: number;
  /** When there will be room for `least` again; 0 when there is now. Milliseconds from now. */
  readonly roomIn: number;
}

/** The account with the least room of these tables: what was spent on them in the last hour. */
export async function tightestAccount(
  client: Client,
  tables: readonly string[],
  { budget, least }: { budget: number; least: number },
): Promise<Account | undefined> {
  const { rows } = await client.query<{ table: string; milliseconds: number; leavesIn: number }>(
    `SELECT relation AS table, milliseconds,
            extract(epoch FROM stalled_at + interval '1 hour' - clock_timestamp())::float8 * 1000 AS "leavesIn"
       FROM stateful_cd.stalls
      WHERE relation = ANY ($1) AND stalled_at > clock_timestamp() - interval '1 hour'
      ORDER BY stalled_at`,
    [tables],
  );
  const accounts = tables.map((table) => {
    const stalls = rows.filter((row) => row.table === table);
    const spent = stalls.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    let left = spent;
    let roomIn = 0;
    for (const { milliseconds, leavesIn } of stalls) {
      if (left + least <= budget) break;
      left -= milliseconds;
      // Timers cut fractions and may be a millisecond early.
      roomIn = Math.ceil(leavesIn) + 1;
    }
    return { table, spent, roomIn };
  });
  return accounts.sort((a, b) => b.roomIn - a.roomIn || b.spent - a.spent)[0];
}

/** Writes stalls down, so that neither another run nor a restart forgets them. */
export async function recordStalls(run: Run, stalls: readonly Stall[]): Promise<void> {
  if (stalls.length === 0) return;
  await withJournalTransaction(run, async () => {
    for (const { table, milliseconds } of stalls) {
      await fencedWrite(
        run,
        `INSERT INTO stateful_cd.stalls (relation, milliseconds, epoch)
           SELECT $2, $3, $1 FROM fence`,
        [table, Math.ceil(milliseconds)],
      );
    }
  });
}
