import { setTimeout as sleep } from "node:timers/promises";
import type { Blocker } from "./blockers";
import type { LockNeed } from "./lockNeed";
import type { Preflight } from "./preflight";
import { titleOf } from "../files/migrationName";
import { defaultStallMilliseconds, tightestAccount } from "./stallBudget";
import { StillBlocked } from "./stillBlocked";
import type { LockingRun } from "../journal/fileContext";

const pollMilliseconds = 100;
/** Less than this is not worth asking for a lock. */
export const leastPatience = 50;

/** What a person needs to know of work that could not begin. */
export interface WorkPlace {
  /** What it was about to do, like "adding the triggers"; none for a file's own statements. */
  readonly doing?: string;
  /** Lines: where in which file. */
  readonly where: readonly string[];
  /** Lines: what was kept. */
  readonly kept: readonly string[];
}

/**
 * Waits, outside of every lock's queue, until the locks may be asked for.
 * @param deadline milliseconds as of Date.now()
 * @returns how long a lock may be waited for without overdrawing any table's account
 * @throws StillBlocked at the deadline, naming who is in the way
 */
export async function awaitClearance(
  work: LockingRun,
  place: WorkPlace,
  preflight: Preflight,
  deadline: number,
): Promise<number> {
  if (preflight.needs.length === 0) return Number.POSITIVE_INFINITY;
  const room = await awaitRoom(work, place, preflight.needs, deadline);
  let told = "";
  for (;;) {
    work.lock.ensureHeld();
    const blockers = await preflight.look();
    if (blockers.length === 0) return room;
    if (Date.now() + pollMilliseconds > deadline) {
      throw stillHeld(work, place, preflight.needs, blockers);
    }
    const who = blockers.map(({ description }) => description).join("; ");
    const names = blockers.map(({ pid }) => String(pid)).join();
    if (names !== told) {
      told = names;
      tell(work, `not asking for ${namesOf(preflight.needs)} yet, held by ${who}`);
    }
    await sleep(pollMilliseconds);
  }
}

/** Until the account of every table leaves something to spend. */
async function awaitRoom(
  work: LockingRun,
  place: WorkPlace,
  needs: readonly LockNeed[],
  deadline: number,
): Promise<number> {
  const { migration, deadlines, run } = work;
  const budget = deadlines.stallMilliseconds ?? defaultStallMilliseconds;
  const tables = [...new Set(needs.map(({ name }) => name))];
  for (;;) {
    const account = await tightestAccount(run.session.client, tables, {
      budget,
      least: leastPatience,
    });
    if (account === undefined) return budget;
    const { table, spent, roomIn } = account;
    if (roomIn === 0) return Math.max(leastPatience, budget - spent);
    if (Date.now() + roomIn > deadline) {
      throw new StillBlocked(
        `${titleOf(migration.id)} stopped${during(place)}: the stall budget of ${table} is spent.`,
        [
          ...place.where,
          `In the last hour others may have waited ${spent} ms behind locks of migrations; ${budget} ms an hour are allowed.`,
          ...place.kept,
        ],
        `run the same command again in ${Math.ceil(roomIn / 60_000)} min`,
      );
    }
    tell(work, `the stall budget of ${table} is spent for the next ${Math.ceil(roomIn / 1000)} s`);
    await sleep(roomIn);
  }
}

function stillHeld(
  { migration, deadlines }: LockingRun,
  place: WorkPlace,
  needs: readonly LockNeed[],
  blockers: readonly Blocker[],
): StillBlocked {
  const pids = blockers.flatMap(({ pid }) => (pid === null ? [] : [pid]));
  const end = pids.map((pid) => `SELECT pg_terminate_backend(${pid})`).join("; ");
  return new StillBlocked(
    `${titleOf(migration.id)} stopped${during(place)}: others hold ${namesOf(needs)}.`,
    [
      ...place.where,
      ...blockers.map(({ description }) => `blocked by ${description}`),
      `Waited ${deadlines.lockSeconds} s for them without asking for a lock, so that nobody queued behind it.`,
      ...place.kept,
    ],
    `wait until they have ended, or end them${end === "" ? "" : `: ${end}`}; then run the same command again`,
  );
}

function during({ doing }: WorkPlace): string {
  return doing === undefined ? "" : ` while ${doing}`;
}

function namesOf(needs: readonly LockNeed[]): string {
  return [...new Set(needs.map(({ name }) => name))].sort().join(", ");
}

function tell({ migration, onProgress }: LockingRun, message: string): void {
  onProgress({ event: "waiting", migration: migration.id, message });
}
