import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { MigrationRun } from "../journal/fileContext";
import type { MigrationState } from "../journal/journal";
import { advance, withJournalTransaction } from "../journal/journalWriter";
import {
  type Gate,
  longestWaitSeconds,
  lookAt,
  soakLeft,
  whatAuditFinds,
  whoNamesIt,
  whyNothingTells,
  whyOldReleaseIsThere,
  whySoakWaits,
  whyStateWaits,
} from "./gate";
import { rolesBefore } from "./oldRoles";
import { readQuiet, startQuiet, usedSince } from "./quiet";
import { contractMigration } from "./step";

/** Everything that ends one old shape. */
export interface Ending extends MigrationRun {
  readonly gate: Gate;
  /** A session that may close logins, and read the statements of others. */
  readonly administrator: Client;
  /** As in ContractOptions; may take minutes. */
  readonly beforeEnding: () => Promise<void>;
}

/**
 * verified -> rolled_out when nobody old is there: from then on it is counted who uses the old shape
 * all the same, and the soak time runs.
 * @returns the state it is left in
 */
export async function beginQuiet(work: Ending, state: MigrationState): Promise<MigrationState> {
  const { run, migration, gate, administrator } = work;
  if (state !== "verified") return state;
  const there = await whyOldReleaseIsThere(run.session.client, gate, migration);
  if (there !== undefined) return state;
  const look = await lookAt(run.session, administrator, migration);
  await withJournalTransaction(run, async () => {
    await startQuiet(run, migration.id, look);
    await advance(run, migration.id, "verified", "rolled_out");
  });
  return "rolled_out";
}

/**
 * Ends an old shape as soon as everything says that nothing uses it.
 * @returns why it has to wait; undefined once it is done
 */
export async function contractWhenQuiet(
  work: Ending,
  state: MigrationState,
): Promise<string | undefined> {
  const { run, migration, gate, administrator } = work;
  const { client } = run.session;
  const waits = whyStateWaits(state);
  if (waits !== undefined) return waits;
  let wasUsed = false;
  for (;;) {
    const there = await whyOldReleaseIsThere(client, gate, migration);
    if (there !== undefined) return stepBack(work, state, there);
    const wait = await whyUseWaits(work, state);
    if (wait === undefined) break;
    if (typeof wait === "string") return wait;
    // Its last use may have been long before this run: only who is seen again is still there.
    if (wait.used !== undefined && (wasUsed || wait.seconds > longestWaitSeconds)) return wait.used;
    wasUsed ||= wait.used !== undefined;
    const reason = wait.used ?? "nothing old is seen any more";
    const message = `${reason}: looking again in ${wait.seconds.toFixed(1)} s`;
    work.onProgress({ event: "waiting", migration: migration.id, message });
    await sleep(wait.seconds * 1000);
  }
  await work.beforeEnding();
  const again = await whyOldReleaseIsThere(client, gate, migration);
  if (again !== undefined) return stepBack(work, state, again);
  const oldRoles = rolesBefore(gate.oldRoles, migration);
  return contractMigration(work, state, { administrator, oldRoles });
}

/** An old release that is there again takes the soak time back to its start. */
async function stepBack(
  { run, migration }: Ending,
  state: MigrationState,
  there: string,
): Promise<string> {
  if (state === "rolled_out") {
    await withJournalTransaction(run, () => advance(run, migration.id, "rolled_out", "verified"));
  }
  return there;
}

/** For how long to wait for the soak time's end, and what has just set it back to its start. */
interface Soak {
  readonly seconds: number;
  readonly used?: string;
}

/** @returns why it waits, or for how long it is worth while to wait */
async function whyUseWaits(
  { run, migration, gate, administrator }: Ending,
  state: MigrationState,
): Promise<string | Soak | undefined> {
  const { client } = run.session;
  const look = await lookAt(run.session, administrator, migration);
  if (look.problem !== undefined) return look.problem;
  const quiet = await readQuiet(client, migration.id);
  if (state === "rolled_out" && quiet !== undefined) {
    const used = usedSince(quiet, look);
    if (used !== undefined) {
      await withJournalTransaction(run, () => startQuiet(run, migration.id, look));
      return { seconds: gate.soakSeconds, used };
    }
    const unseen = whyNothingTells(gate, look);
    if (unseen !== undefined) return unseen;
    const named = await whoNamesIt(client, migration, look);
    if (named !== undefined) return named;
    const seconds = soakLeft(gate, quiet);
    if (seconds > longestWaitSeconds) return whySoakWaits(gate, quiet);
    if (seconds > 0) return { seconds };
  }
  return whatAuditFinds(client, look);
}
