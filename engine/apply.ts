import { deadlinesOf, type RunOptions } from "./runOptions";
import type { Client } from "pg";
import { UserError } from "../userError";
import { applyFile } from "./steps/fileRun";
import type { Deadlines } from "./journal/fileContext";
import { ensureRunnable } from "./ensureRunnable";
import { ensureSameHistory } from "./journal/history";
import { findJournal, type Journal, type MigrationState, readJournal } from "./journal/journal";
import { forgetAborted, type Run, withJournalTransaction } from "./journal/journalWriter";
import { ensureNotKept } from "./journal/openContracts";
import type { Digest } from "./files/digest";
import type { Migration } from "./files/migration";
import { throughMigration } from "./files/migrationFolder";
import { verify } from "./steps/checks";
import type { OnProgress } from "./progress";
import { recordSchema } from "./journal/recordedSchema";
import { awaitEarlierRuns, beginRun, endRun, originOf } from "./journal/run";
import { type RunLock, withRunLock } from "./session/runLock";
import { ensureWritable, type Session, withSession } from "./session/session";
import { synchronise } from "./sync/synchronise";

export interface ApplyOptions extends RunOptions {
  /** The last migration to apply; without it, all are. */
  readonly through?: string;
}

export interface ApplyResult {
  /** undefined when nothing has ever been applied and nothing was to be. */
  readonly journal?: { readonly id: string; readonly version: number; readonly epoch: string };
  /** The origin's name, when this run has recognised a copy's journal. */
  readonly recognised?: string;
  /** The migrations asked for, in order; those settled before this run have applied = false. */
  readonly migrations: readonly AppliedMigration[];
  /** Of the schema that this run has left; undefined when there was nothing to do. */
  readonly schemaFingerprint?: Digest;
  readonly milliseconds: number;
}

export interface AppliedMigration {
  readonly id: string;
  readonly digest: string;
  readonly state: MigrationState;
  readonly applied: boolean;
  /** How long this run worked on it. */
  readonly milliseconds: number;
}

/**
 * Brings a database to the last migration asked for. Idempotent and safe to kill at any point:
 * the next call goes on where this one stopped. One run at a time a database; a second one waits.
 * @throws UserError complete as it stands; no message contains a password
 */
export async function applyMigrations(options: ApplyOptions): Promise<ApplyResult> {
  const started = Date.now();
  const { connect, migrations, through, target } = options;
  const wanted = through === undefined ? [...migrations] : throughMigration(migrations, through);
  return withSession(connect, async (session) => {
    const found = session.facts.journalExists ? await readJournal(session.client) : undefined;
    const pending = await pendingOf(session, options, wanted, found);
    const isAtHome = found === undefined || originOf(found, session, target) === undefined;
    if (pending.length === 0 && isAtHome) {
      return resultOf(wanted, found, new Map(), undefined, started);
    }
    await ensureRunnable(pending);
    await ensureNotKept(pending, migrations, found);
    ensureWritable(session);
    const onProgress = options.onProgress ?? (() => undefined);
    const deadlineSeconds = options.lockDeadlineSeconds ?? 60;
    return withRunLock(session, { connect, deadlineSeconds, onProgress }, (lock) =>
      runLocked(session, lock, options, wanted, started),
    );
  });
}

async function pendingOf(
  session: Session,
  { migrations }: ApplyOptions,
  wanted: readonly Migration[],
  journal: Journal | undefined,
): Promise<Migration[]> {
  const pending = await ensureSameHistory(session.client, migrations, journal);
  return pending.filter((migration) => wanted.includes(migration));
}

async function runLocked(
  session: Session,
  lock: RunLock,
  options: ApplyOptions,
  wanted: readonly Migration[],
  started: number,
): Promise<ApplyResult> {
  const { client } = session;
  const onProgress = options.onProgress ?? (() => undefined);
  const deadlines = deadlinesOf(options);
  const journal = await findJournal(client);
  const origin = journal && originOf(journal, session, options.target);
  const identity = {
    target: options.target,
    applicationName: options.applicationName ?? "stateful-cd",
  };
  const run = await beginRun(session, journal, identity, onProgress);
  const times = new Map<string, number>();
  let schemaFingerprint: Digest;
  try {
    await awaitEarlierRuns(run, deadlines.buildSeconds, onProgress);
    const current = await readJournal(client);
    const pending = await pendingOf(session, options, wanted, current);
    await ensureRunnable(pending);
    await ensureNotKept(pending, options.migrations, current);
    for (const migration of pending) {
      const begun = Date.now();
      onProgress({ event: "begun", migration: migration.id, message: "applying" });
      await applyMigration(
        { run, lock, connect: options.connect, onProgress, deadlines },
        migration,
        current,
      );
      const milliseconds = Date.now() - begun;
      times.set(migration.id, milliseconds);
      const message = `applied in ${(milliseconds / 1000).toFixed(2)} s`;
      onProgress({ event: "finished", migration: migration.id, message });
    }
    schemaFingerprint = await recordSchema(run);
  } catch (error) {
    await endRun(run, error);
    throw error;
  }
  await endRun(run);
  return {
    ...resultOf(wanted, await readJournal(client), times, origin, started),
    schemaFingerprint,
  };
}

interface Work {
  readonly run: Run;
  readonly lock: RunLock;
  readonly connect: () => Promise<Client>;
  readonly onProgress: OnProgress;
  readonly deadlines: Deadlines;
}

/**
 * Plain: pending -> (expanding ->) done. Phased: pending -> (expanding ->) expanded -> verified,
 * with sync.yaml expanded -> backfilling -> backfilled -> verified; blocked where rows are wrong,
 * and from there on again. A file of one transaction needs no `expanding` that anybody could see.
 */
async function applyMigration(work: Work, migration: Migration, journal: Journal): Promise<void> {
  const found = journal.migrations.get(migration.id);
  ensureNotAborting(migration, found?.state);
  if (found?.state === "aborted") {
    await withJournalTransaction(work.run, () => forgetAborted(work.run, migration.id));
  }
  const applied = found?.state === "aborted" ? undefined : found;
  const state = applied?.state ?? "pending";
  const isPlain = migration.kind === "plain";
  const file = migration.files.find(({ phase }) => phase === "expand");
  if ((state === "pending" || state === "expanding") && file !== undefined) {
    await applyFile({ ...work, migration, file }, applied, isPlain ? "done" : "expanded");
  }
  if (isPlain) return;
  const expanded = state === "pending" || state === "expanding" ? "expanded" : state;
  if (migration.files.some(({ phase }) => phase === "sync")) {
    await synchronise({ ...work, migration }, expanded);
  } else {
    await verify(work.run, migration, expanded === "blocked" ? "blocked" : "expanded");
  }
}

function ensureNotAborting({ id }: Migration, state: MigrationState | undefined): void {
  if (state !== "aborting") return;
  throw new UserError(
    `Migration ${id} is being taken back; it cannot be applied before that is done.`,
    [],
    `npm run migrations -- abort ${id}`,
  );
}

function resultOf(
  wanted: readonly Migration[],
  journal: Journal | undefined,
  times: ReadonlyMap<string, number>,
  recognised: string | undefined,
  started: number,
): ApplyResult {
  const migrations = wanted.map(({ id, digest }) => ({
    id,
    digest,
    state: journal?.migrations.get(id)?.state ?? ("pending" as const),
    applied: times.has(id),
    milliseconds: times.get(id) ?? 0,
  }));
  return {
    ...(journal && {
      journal: { id: journal.id, version: journal.version, epoch: journal.epoch },
    }),
    ...(recognised === undefined ? {} : { recognised }),
    migrations,
    milliseconds: Date.now() - started,
  };
}
