import type { Client } from "pg";
import { applyMigration } from "./applyMigration";
import { deadlinesOf, type RunOptions } from "./runOptions";
import type { RunContext } from "./journal/fileContext";
import { ensureRunnable } from "./ensureRunnable";
import { ensureSameHistory } from "./journal/history";
import { findJournal, type Journal, type MigrationState, readJournal } from "./journal/journal";
import { ensureNotKept } from "./journal/openContracts";
import type { Digest } from "./files/digest";
import type { Migration } from "./files/migration";
import { throughMigration } from "./files/migrationFolder";
import type { Repeatable } from "./files/repeatable";
import { ensureNamesKnown } from "./preparing/ensureNamesKnown";
import { recordSchema } from "./journal/recordedSchema";
import { applyRepeatables, ensureRepeatable } from "./repeatable/apply";
import { isAnyDue } from "./repeatable/standing";
import { schemaFingerprint as readSchema } from "./schema/schemaFingerprint";
import { awaitEarlierRuns, beginRun, endRun, originOf } from "./journal/run";
import { type RunLock, withRunLock } from "./session/runLock";
import { ensureWritable, type Session, withSession } from "./session/session";

export interface ApplyOptions extends RunOptions {
  /** The last migration to apply; without it, all are. */
  readonly through?: string;
  /**
   * ALL files of repeatable/: applied when all migrations of the folder are, where they differ from
   * what was applied. Without them they are left alone.
   */
  readonly repeatables?: readonly Repeatable[];
  /** Called after each migration, with the fingerprint of the schema as it has left it. */
  readonly onApplied?: (id: string, schemaFingerprint: Digest) => void;
}

export interface ApplyResult {
  /** undefined when nothing has ever been applied and nothing was to be. */
  readonly journal?: { readonly id: string; readonly version: number; readonly epoch: string };
  /** The origin's name, when this run has recognised a copy's journal. */
  readonly recognised?: string;
  /** The migrations asked for, in order; those settled before this run have applied = false. */
  readonly migrations: readonly AppliedMigration[];
  /** Likewise the repeatable files, by name. */
  readonly repeatables: readonly AppliedFile[];
  /** Of the schema that this run has left; undefined when there was nothing to do. */
  readonly schemaFingerprint?: Digest;
  readonly milliseconds: number;
}

export interface AppliedFile {
  /** `repeatable/stock-list.sql` */
  readonly path: string;
  readonly digest: string;
  readonly applied: boolean;
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
    const repeatables = wanted.length === migrations.length ? options.repeatables : undefined;
    const asked = { wanted, repeatables, started };
    const pending = await pendingOf(session, options, wanted, found);
    const isDue = await isAnyDue(session.client, repeatables ?? [], found);
    const isAtHome = found === undefined || originOf(found, session, target) === undefined;
    if (pending.length === 0 && !isDue && isAtHome) return resultOf(asked, found);
    await ensureApplicable(session.client, pending, migrations, found);
    if (isDue) await ensureRepeatable(repeatables ?? []);
    ensureWritable(session);
    const onProgress = options.onProgress ?? (() => undefined);
    const deadlineSeconds = options.lockDeadlineSeconds ?? 60;
    return withRunLock(session, { connect, deadlineSeconds, onProgress }, (lock) =>
      runLocked(session, lock, options, asked),
    );
  });
}

/** What a caller has asked for. */
interface Asked {
  readonly wanted: readonly Migration[];
  readonly repeatables: readonly Repeatable[] | undefined;
  /** As of Date.now(). */
  readonly started: number;
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

/** Asked before the lock, so that a refusal waits for nobody, and under it: a run may have come between. */
async function ensureApplicable(
  client: Client,
  pending: readonly Migration[],
  migrations: readonly Migration[],
  journal: Journal | undefined,
): Promise<void> {
  await ensureRunnable(pending);
  await ensureNamesKnown(client, pending);
  await ensureNotKept(pending, migrations, journal);
}

async function runLocked(
  session: Session,
  lock: RunLock,
  options: ApplyOptions,
  asked: Asked,
): Promise<ApplyResult> {
  const { client } = session;
  const { wanted, repeatables } = asked;
  const onProgress = options.onProgress ?? (() => undefined);
  const deadlines = deadlinesOf(options);
  const journal = await findJournal(client);
  const origin = journal && originOf(journal, session, options.target);
  const identity = {
    target: options.target,
    applicationName: options.applicationName ?? "stateful-cd",
  };
  const run = await beginRun(session, journal, identity, onProgress);
  const work: RunContext = { run, lock, connect: options.connect, onProgress, deadlines };
  const times = new Map<string, number>();
  let schemaFingerprint: Digest;
  try {
    await awaitEarlierRuns(run, deadlines.buildSeconds, onProgress);
    const current = await readJournal(client);
    const pending = await pendingOf(session, options, wanted, current);
    await ensureApplicable(client, pending, options.migrations, current);
    for (const migration of pending) {
      const begun = Date.now();
      onProgress({ event: "begun", migration: migration.id, message: "applying" });
      await applyMigration(work, migration, current);
      const milliseconds = Date.now() - begun;
      times.set(migration.id, milliseconds);
      if (options.onApplied !== undefined) {
        options.onApplied(migration.id, (await readSchema(client)).digest);
      }
      const message = `applied in ${(milliseconds / 1000).toFixed(2)} s`;
      onProgress({ event: "finished", migration: migration.id, message });
    }
    if (repeatables !== undefined) {
      for (const [path, ms] of await applyRepeatables(work, repeatables)) times.set(path, ms);
    }
    schemaFingerprint = await recordSchema(run);
  } catch (error) {
    await endRun(run, error);
    throw error;
  }
  await endRun(run);
  return { ...resultOf(asked, await readJournal(client), times, origin), schemaFingerprint };
}

/** @param times how long this run worked on what it applied, by id or path */
function resultOf(
  { wanted, repeatables = [], started }: Asked,
  journal: Journal | undefined,
  times: ReadonlyMap<string, number> = new Map(),
  recognised?: string,
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
    repeatables: repeatables.map(({ path, digest }) => ({
      path,
      digest,
      applied: times.has(path),
      milliseconds: times.get(path) ?? 0,
    })),
    milliseconds: Date.now() - started,
  };
}
