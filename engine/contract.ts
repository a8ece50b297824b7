import { deadlinesOf, type RunOptions } from "./runOptions";
import type { Client } from "pg";
import { type ContractResult, resultOf, stateIn } from "./contracting/contractResult";
import { dropArchive, dueArchives } from "./contracting/archive";
import { withAdministrator } from "./contracting/administrator";
import { type Gate, whyOldReleaseIsThere, whyStateWaits } from "./contracting/gate";
import type { OldRole } from "./contracting/oldRoles";
import { beginQuiet, contractWhenQuiet, type Ending } from "./contracting/whenQuiet";
import { ensureRunnable } from "./ensureRunnable";
import { ensureSameHistory } from "./journal/history";
import { type Journal, type MigrationState, readJournal } from "./journal/journal";
import type { Run } from "./journal/journalWriter";
import type { Migration } from "./files/migration";
import { throughMigration } from "./files/migrationFolder";
import { recordSchema } from "./journal/recordedSchema";
import { awaitEarlierRuns, beginRun, endRun, hasUnendedRun } from "./journal/run";
import { type RunLock, withRunLock } from "./session/runLock";
import { type Connect, ensureWritable, type Session, withSession } from "./session/session";

export interface ContractOptions extends RunOptions {
  /** The last migration to contract; without it, all are. */
  readonly through?: string;
  /** Logins of other releases: one that knows a migration is none of its old ones. */
  readonly oldRoles: readonly OldRole[];
  /** As in Gate. */
  readonly askOutside?: Gate["askOutside"];
  /**
   * Gives a session that may ALTER the old roles, and read the statements of others; without it
   * `connect` has to do.
   */
  readonly administrator?: Connect;
  /**
   * Awaited before something is given up, an old shape or an archive: the last moment at which its
   * columns are where they were. Not called by a run that only waits, or has nothing to do.
   */
  readonly beforeEnding?: Ending["beforeEnding"];
  /**
   * Contracts although pg_stat_statements cannot be read, so that nothing tells who still reads an old
   * column; for those who know it otherwise.
   */
  readonly withoutStatements?: boolean;
  /** How long nothing may have used the old shape; 2 s. */
  readonly soakSeconds?: number;
  /** How long the old columns are kept after contract, under their other name; 7 days. */
  readonly keepDays?: number;
}

/**
 * Ends the old shape: removes the triggers and archives the old columns, migration by migration in
 * order, as far as nothing uses the old shape any more. What has to wait says why and is tried
 * again by the next call; columns that were archived long enough ago are dropped. Without anything
 * to do nothing is written.
 * @throws UserError for what will not pass by waiting: another history, a contract.sql that fails
 */
export async function contractMigrations(options: ContractOptions): Promise<ContractResult> {
  const { connect, migrations, through } = options;
  const wanted = through === undefined ? [...migrations] : throughMigration(migrations, through);
  const phased = wanted.filter(({ kind }) => kind === "phased");
  return withSession(connect, async (session) => {
    const { client } = session;
    const journal = session.facts.journalExists ? await readJournal(client) : undefined;
    await ensureSameHistory(client, migrations, journal);
    const open = phased.filter(({ id }) => stateIn(journal, id) !== "done");
    const due = await dueArchives(client, keepDaysOf(options));
    // One that was killed after its last step has not recorded the schema that it left.
    const isLeft = journal !== undefined && (await hasUnendedRun(client));
    if (open.length + due.length === 0 && !isLeft) return resultOf(phased, journal, new Set());
    await ensureRunnable(open);
    const isDue = due.length > 0 || isLeft;
    const waits = isDue ? undefined : await whyNothingBegins(client, options, open, journal);
    if (waits !== undefined) return resultOf(phased, journal, new Set(), waits);
    ensureWritable(session);
    const onProgress = options.onProgress ?? (() => undefined);
    const deadlineSeconds = options.lockDeadlineSeconds ?? 60;
    return withRunLock(session, { connect, deadlineSeconds, onProgress }, (lock) =>
      withAdministrator(session, options, (administrator) =>
        contractLocked({ session, lock, administrator }, options, phased),
      ),
    );
  });
}

/** Why the first one waits, as far as that is known without a write; then nothing is written. */
async function whyNothingBegins(
  client: Client,
  options: ContractOptions,
  open: readonly Migration[],
  journal: Journal | undefined,
): Promise<string | undefined> {
  const [next] = open;
  if (next === undefined || open.some(({ id }) => stateIn(journal, id) === "rolled_out")) {
    return undefined;
  }
  return (
    whyStateWaits(stateIn(journal, next.id)) ?? whyOldReleaseIsThere(client, gateOf(options), next)
  );
}

function gateOf({ oldRoles, askOutside, soakSeconds = 2, ...options }: ContractOptions): Gate {
  const { onProgress = () => undefined, withoutStatements = false } = options;
  return {
    oldRoles,
    soakSeconds,
    withoutStatements,
    onProgress,
    ...(askOutside === undefined ? {} : { askOutside }),
  };
}

function keepDaysOf({ keepDays = 7 }: ContractOptions): number {
  return keepDays;
}

interface Sessions {
  readonly session: Session;
  readonly lock: RunLock;
  readonly administrator: Client;
}

async function contractLocked(
  { session, lock, administrator }: Sessions,
  options: ContractOptions,
  phased: readonly Migration[],
): Promise<ContractResult> {
  const { client } = session;
  const { connect } = options;
  const onProgress = options.onProgress ?? (() => undefined);
  const deadlines = deadlinesOf(options);
  const identity = {
    target: options.target,
    applicationName: options.applicationName ?? "stateful-cd",
  };
  const run: Run = await beginRun(session, await readJournal(client), identity, onProgress);
  const contracted = new Set<string>();
  let waits: string | undefined;
  try {
    await awaitEarlierRuns(run, deadlines.buildSeconds, onProgress);
    const journal = await readJournal(client);
    await ensureSameHistory(client, options.migrations, journal);
    const gate = gateOf(options);
    const { beforeEnding = () => Promise.resolve() } = options;
    const common = { run, lock, connect, onProgress, deadlines, gate, administrator, beforeEnding };
    const open: [Ending, MigrationState][] = [];
    for (const migration of phased) {
      const state = stateIn(journal, migration.id);
      const work = { ...common, migration };
      if (state !== "done") open.push([work, await beginQuiet(work, state)]);
    }
    for (const [work, state] of open) {
      waits = await contractWhenQuiet(work, state);
      if (waits !== undefined) break;
      contracted.add(work.migration.id);
    }
    for (const archive of await dueArchives(client, keepDaysOf(options))) {
      const migration = options.migrations.find(({ id }) => id === archive.migration);
      if (migration === undefined) continue;
      await beforeEnding();
      await dropArchive({ ...common, migration }, archive);
    }
    await recordSchema(run);
  } catch (error) {
    await endRun(run, error);
    throw error;
  }
  await endRun(run);
  return resultOf(phased, await readJournal(client), contracted, waits);
}
