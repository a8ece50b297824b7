import { setTimeout as sleep } from "node:timers/promises";
import type { MigrationRun } from "../journal/fileContext";
import type { LiveSync } from "../sync/liveSync";

/** What a backfill keeps an eye on while it works. */
export interface Pressure {
  /** A person has asked for a pause. */
  readonly paused: boolean;
  /** Sessions that wait for a lock that the backfill holds, or for one on its table. */
  readonly waiting: number;
  /** Other transactions that are open. */
  readonly others: number;
  /** How far the slowest standby is behind, in megabytes of log; 0 without any that may be seen. */
  readonly behind: number;
  /** What all of the server has written to its log, in bytes since it was made. */
  readonly written: number;
  /** How much log the server lets come together before it forces a checkpoint, in bytes. */
  readonly checkpointBytes: number;
}

const lookMilliseconds = 250;
/** A standby that is further behind than this gets time to come after. */
const mostBehindMegabytes = 64;
/** Faster than this the log would force one checkpoint after the other, which everybody feels. */
const fewestCheckpointSeconds = 15;
/** What is left to each transaction of others, as a part of a batch's time; and to all of them. */
const restForOne = 0.2;
const restForAll = 0.5;
/** Of a gentle one, whoever else is there. */
const restOfGentle = 1;

/** Looks, from the session that is otherwise idle, whom the sessions `pids` disturb. */
async function look(
  { lock, migration }: MigrationRun,
  live: LiveSync,
  pids: readonly number[],
): Promise<Pressure> {
  const { rows } = await lock.session.client.query<Pressure>(
    `SELECT coalesce((SELECT bool_or(paused) FROM stateful_cd.backfills WHERE migration = $1), false) AS paused,
            (SELECT count(DISTINCT w.pid)::int FROM pg_locks w
              WHERE NOT w.granted AND w.pid <> ALL ($3)
                AND (w.relation = to_regclass($2)::oid
                     OR EXISTS (SELECT FROM pg_locks h
                                 WHERE h.granted AND h.pid = ANY ($3) AND h.transactionid = w.transactionid))) AS waiting,
            -- Everybody may see locks, but not what others do: a transaction holds one on itself.
            (SELECT count(DISTINCT pid)::int FROM pg_locks
              WHERE locktype = 'virtualxid' AND granted AND mode = 'ExclusiveLock'
                AND pid <> ALL ($3) AND pid <> pg_backend_pid()) AS others,
            (SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::float8 / 1048576
               FROM pg_stat_replication) AS behind,
            pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS written,
            pg_size_bytes(current_setting('max_wal_size'))::float8 AS "checkpointBytes"`,
    [migration.id, live.table.sql, pids],
  );
  const [found] = rows;
  if (found === undefined) throw new Error("the server returned no row");
  return found;
}

/**
 * Lets a backfill rest after a batch, no longer than somebody is disturbed.
 * @param batch how long the batch took, in milliseconds
 * @returns whether somebody waits for its locks: the next batch should be smaller
 */
export type RestAfter = (batch: number) => Promise<boolean>;

/** @param pids the sessions that fill; they share what one look has seen */
export function restingFor(work: MigrationRun, live: LiveSync, pids: readonly number[]): RestAfter {
  let last: { pressure: Pressure; at: number; ahead: number } | undefined;
  let looking: Promise<void> | undefined;
  const lookAgain = async (): Promise<void> => {
    const pressure = await unlessHeldUp(work, live, pids);
    const at = Date.now();
    last = { pressure, at, ahead: last === undefined ? 0 : aheadOf(last, pressure, at) };
  };
  return async (batch) => {
    const isFresh = last !== undefined && Date.now() - last.at < lookMilliseconds;
    if (!isFresh) {
      looking ??= lookAgain().finally(() => {
        looking = undefined;
      });
      await looking;
    }
    if (last === undefined) return false;
    const { pressure, ahead } = last;
    const isInTheWay = !isFresh && pressure.waiting > 0;
    const rest = Math.max((isInTheWay ? 1 : restOf(live, pressure)) * batch, isFresh ? 0 : ahead);
    // Node sleeps a whole millisecond for nothing, with each of a hundred batches a second.
    if (rest > 0) await sleep(rest);
    return isInTheWay;
  };
}

function restOf({ pace }: LiveSync, { others }: Pressure): number {
  if (pace === "gentle") return restOfGentle;
  return Math.min(restForAll, others * restForOne);
}

/** Waits as long as a person or a standby asks for it. */
async function unlessHeldUp(
  work: MigrationRun,
  live: LiveSync,
  pids: readonly number[],
): Promise<Pressure> {
  for (let isTold = false; ; isTold = true) {
    work.lock.ensureHeld();
    const pressure = await look(work, live, pids);
    const why = pressure.paused
      ? "paused, until stateful_cd.backfills.paused is false"
      : pressure.behind > mostBehindMegabytes
        ? `a standby is ${Math.round(pressure.behind)} MB behind: waiting for it`
        : "";
    if (why === "") return pressure;
    if (!isTold) {
      const message = `backfill: ${why}`;
      work.onProgress({ event: "waiting", migration: work.migration.id, message });
    }
    await sleep(lookMilliseconds);
  }
}

/** How many milliseconds the log is ahead of the rate at which it may grow. */
function aheadOf(before: { pressure: Pressure; at: number }, now: Pressure, at: number): number {
  const bytes = now.written - before.pressure.written;
  const allowed = now.checkpointBytes / fewestCheckpointSeconds / 1000;
  return Math.max(0, bytes / allowed - (at - before.at));
}
