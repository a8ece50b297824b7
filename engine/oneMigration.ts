import { deadlinesOf, type RunOptions } from "./runOptions";
import type { MigrationRun } from "./journal/fileContext";
import { ensureRunnable } from "./ensureRunnable";
import { ensureSameHistory } from "./journal/history";
import { type Journal, type MigrationState, readJournal } from "./journal/journal";
import type { Migration } from "./files/migration";
import { throughMigration } from "./files/migrationFolder";
import { recordSchema } from "./journal/recordedSchema";
import { awaitEarlierRuns, beginRun, endRun } from "./journal/run";
import { withRunLock } from "./session/runLock";
import { ensureWritable, type Session, withSession } from "./session/session";

/** A command on one migration. */
export interface OneMigrationOptions extends RunOptions {
  /** The migration. */
  readonly id: string;
}

/** A migration as the journal has it. */
export interface Standing {
  readonly migration: Migration;
  readonly state: MigrationState;
  readonly journal: Journal | undefined;
  readonly session: Session;
}

/**
 * Runs work on one migration under the run lock, if there is any to do.
 * @param isNeeded false when the migration is where it is to be; throws what stands against it. Asked
 *   before and under the lock
 * @returns whether the work was done
 */
export function onMigration(
  options: OneMigrationOptions,
  isNeeded: (standing: Standing) => Promise<boolean>,
  work: (run: MigrationRun, standing: Standing) => Promise<void>,
): Promise<boolean> {
  const { connect, migrations, id } = options;
  const onProgress = options.onProgress ?? (() => undefined);
  const migration = throughMigration(migrations, id).at(-1);
  return withSession(connect, async (session) => {
    const standing = async (journal: Journal | undefined): Promise<Standing> => {
      await ensureSameHistory(session.client, migrations, journal);
      if (migration === undefined) throw new Error(`no migration ${id}`);
      const state = journal?.migrations.get(id)?.state ?? "pending";
      return { migration, state, journal, session };
    };
    const { journalExists } = session.facts;
    const before = await standing(journalExists ? await readJournal(session.client) : undefined);
    if (!(await isNeeded(before))) return false;
    await ensureRunnable([before.migration]);
    ensureWritable(session);
    const deadlineSeconds = options.lockDeadlineSeconds ?? 60;
    return withRunLock(session, { connect, deadlineSeconds, onProgress }, async (lock) => {
      const deadlines = deadlinesOf(options);
      const { target, applicationName = "stateful-cd" } = options;
      const journal = await readJournal(session.client);
      const run = await beginRun(session, journal, { target, applicationName }, onProgress);
      try {
        await awaitEarlierRuns(run, deadlines.buildSeconds, onProgress);
        const now = await standing(await readJournal(session.client));
        const isDone = await isNeeded(now);
        if (isDone) {
          await work({ run, lock, connect, migration: now.migration, onProgress, deadlines }, now);
          await recordSchema(run);
        }
        await endRun(run);
        return isDone;
      } catch (error) {
        await endRun(run, error);
        throw error;
      }
    });
  });
}
