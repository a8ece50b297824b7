import { UserError } from "../userError";
import type { Migration } from "./files/migration";
import type { RunContext } from "./journal/fileContext";
import type { Journal, MigrationState } from "./journal/journal";
import { forgetAborted, withJournalTransaction } from "./journal/journalWriter";
import { verify } from "./steps/checks";
import { applyFile } from "./steps/fileRun";
import { isEnding } from "./locks/transactionBound";
import { ensureEndable, planEndings } from "./planEndings";
import { resetSession } from "./session/session";
import { synchronise } from "./backfill/synchronise";

/**
 * Plain: pending -> (expanding ->) done. Phased: pending -> (expanding ->) expanded -> verified,
 * with sync.yaml expanded -> backfilling -> backfilled -> verified; blocked where rows are wrong,
 * and from there on again. A file of one transaction needs no `expanding` that anybody could see.
 */
export async function applyMigration(
  work: RunContext,
  migration: Migration,
  journal: Journal,
): Promise<void> {
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
    await ensureEndings(work, migration);
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

/** Before anything of it is run, for it could not be taken back, or not be ended. */
async function ensureEndings({ run }: RunContext, migration: Migration): Promise<void> {
  if (!migration.files.some(({ phase }) => isEnding(phase))) return;
  await resetSession(run.session);
  ensureEndable(migration, await planEndings(run.session.client, migration, run.newRelations));
}

function ensureNotAborting({ id }: Migration, state: MigrationState | undefined): void {
  if (state !== "aborting") return;
  throw new UserError(
    `Migration ${id} is being taken back; it cannot be applied before that is done.`,
    [],
    `npm run migrations -- abort ${id}`,
  );
}
