import type { Client } from "pg";
import type { ApplyOptions } from "./apply";
import { ensureSameHistory } from "./journal/history";
import { isSettled, type Journal, readJournal } from "./journal/journal";
import { awaitEarlierRuns, beginRun, endRun } from "./journal/run";
import type { Migration } from "./files/migration";
import { throughMigration } from "./files/migrationFolder";
import { deadlinesOf } from "./runOptions";
import { withRunLock } from "./session/runLock";
import { ensureWritable, resetSession, type Session, withSession } from "./session/session";
import { auditReport, type Finding, findingOf } from "./backfill/audit";
import type { AuditCheck } from "./backfill/tableChecks";
import type { LiveSync } from "./sync/liveSync";
import { repair } from "./backfill/repair";
import { planSync } from "./preparing/planSync";

export interface AuditOptions extends ApplyOptions {
  /** Puts back triggers that are gone, and sets right what was written past them; the old side decides. */
  readonly repair: boolean;
}

/** What was found of one migration whose old shape is still there. */
export interface AuditedMigration {
  readonly id: string;
  /** Rows that disagreed and were set right. */
  readonly repaired: number;
  /** All that was looked at, after the repair, in one snapshot. */
  readonly checks: readonly AuditCheck[];
  /** What of it is wrong. */
  readonly findings: readonly Finding[];
}

/**
 * Looks whether old and new columns agree in every row, migration by migration, each in one
 * snapshot. Without `repair` nothing is written.
 * @throws UserError for another history, or rows that others hold while they are to be repaired
 */
export async function auditMigrations(options: AuditOptions): Promise<AuditedMigration[]> {
  const { connect, migrations, through } = options;
  const wanted = through === undefined ? [...migrations] : throughMigration(migrations, through);
  return withSession(connect, async (session) => {
    const journal = session.facts.journalExists ? await readJournal(session.client) : undefined;
    await ensureSameHistory(session.client, migrations, journal);
    const synced = wanted.filter((migration) => isInStep(migration, journal));
    if (synced.length === 0) return [];
    if (options.repair) return repairThem(session, options, synced);
    const found: AuditedMigration[] = [];
    for (const migration of synced) {
      const live = await planSync(session.client, migration);
      if (live !== undefined) found.push(await audited(session.client, migration, live, 0));
    }
    return found;
  });
}

/** Whether triggers keep the two sides in step now, and all rows are filled. */
function isInStep({ id, files }: Migration, journal: Journal | undefined): boolean {
  const state = journal?.migrations.get(id)?.state ?? "pending";
  // While a contract is being undone the old side is the one that is behind.
  const isOnePair = isSettled(state) && state !== "done" && state !== "undoing";
  return isOnePair && files.some(({ phase }) => phase === "sync");
}

async function audited(
  client: Client,
  { id }: Migration,
  live: LiveSync,
  repaired: number,
): Promise<AuditedMigration> {
  const checks = await auditReport(client, live);
  const findings = checks.filter(({ verdict }) => verdict === "wrong").map(findingOf);
  return { id, repaired, checks, findings };
}

async function repairThem(
  session: Session,
  options: AuditOptions,
  synced: readonly Migration[],
): Promise<AuditedMigration[]> {
  ensureWritable(session);
  const { connect, target } = options;
  const onProgress = options.onProgress ?? (() => undefined);
  const deadlines = deadlinesOf(options);
  const deadlineSeconds = options.lockDeadlineSeconds ?? 60;
  const identity = { target, applicationName: options.applicationName ?? "stateful-cd" };
  return withRunLock(session, { connect, deadlineSeconds, onProgress }, async (lock) => {
    const run = await beginRun(session, await readJournal(session.client), identity, onProgress);
    const found: AuditedMigration[] = [];
    try {
      await awaitEarlierRuns(run, deadlines.buildSeconds, onProgress);
      const journal = await readJournal(session.client);
      for (const migration of synced.filter((one) => isInStep(one, journal))) {
        await resetSession(session);
        const live = await planSync(session.client, migration);
        if (live === undefined) continue;
        const work = { run, lock, connect, migration, onProgress, deadlines };
        const repaired = await repair(work, live);
        await resetSession(session);
        found.push(await audited(session.client, migration, live, repaired));
      }
    } catch (error) {
      await endRun(run, error);
      throw error;
    }
    await endRun(run);
    return found;
  });
}
