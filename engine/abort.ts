import { UserError } from "../userError";
import { takeBackExpand } from "./contracting/abortPlan";
import { endingOf } from "./contracting/endingFile";
import type { MigrationRun } from "./journal/fileContext";
import { blamedIn, dropOf } from "./journal/blamedRepeatables";
import type { Journal, MigrationState } from "./journal/journal";
import { advance, forgetWork, sessionsPath, withJournalTransaction } from "./journal/journalWriter";
import { compareNumbers } from "./files/migrationName";
import type { Migration } from "./files/migration";
import { StillBlocked } from "./locks/stillBlocked";
import { onMigration, type OneMigrationOptions, type Standing } from "./oneMigration";
import { sqlState } from "./session/databaseErrors";
import { resetSession } from "./session/session";
import { together } from "./session/together";
import { inShortLocks } from "./sync/syncDdl";
import { findSyncRemains } from "./sync/syncRemains";

export interface AbortResult {
  readonly id: string;
  readonly state: MigrationState;
  /** Whether this run has done it. */
  readonly aborted: boolean;
}

/**
 * Takes a phased migration back before its contract: triggers and all that expand.sql has made go,
 * old columns stay as they are, to the byte. What the new release has written into new columns goes
 * with them, beyond what the triggers have brought to the old ones. Safe to kill; the next call goes
 * on. An aborted migration may be applied again, edited or not, or be removed from the folder.
 * @throws UserError with the reason when it cannot be taken back, before anything is changed
 */
export async function abortMigration(options: OneMigrationOptions): Promise<AbortResult> {
  const aborted = await onMigration(options, isAbortNeeded, takeBack);
  return { id: options.id, state: "aborted", aborted };
}

async function isAbortNeeded({ migration, state, journal, session }: Standing): Promise<boolean> {
  const { id, kind, files } = migration;
  if (state === "aborted") return false;
  const applied = journal?.migrations.get(id);
  if (applied === undefined || journal === undefined) {
    throw refusal(id, ["It is pending: nothing of it is there."], "remove it from the folder");
  }
  if (kind === "plain") {
    const done = state === "done" ? "it is done" : "it goes on where it stopped";
    throw refusal(
      id,
      [`It is a plain file, and ${done}: only a phased migration has a way back.`],
      "write a new migration that takes back what it did",
    );
  }
  if (state === "done" || state === "contracting" || state === "undoing") {
    const what = `It is ${state}: the old shape has been given up, or is about to be.`;
    throw refusal(id, [what], `npm run migrations -- undo ${id}, then abort it`);
  }
  ensureNothingLater(journal, migration);
  if (!files.some(({ phase }) => phase === "abort")) {
    await takeBackExpand(session.client, migration, applied);
  }
  return true;
}

async function takeBack(work: MigrationRun, { journal, state }: Standing): Promise<void> {
  const { run, migration, onProgress } = work;
  const { client } = run.session;
  const { id, files } = migration;
  const applied = journal?.migrations.get(id);
  const file = files.find(({ phase }) => phase === "abort");
  await resetSession(run.session);
  if (state !== "aborting") {
    await withJournalTransaction(run, () => advance(run, id, state, "aborting"));
  }
  onProgress({ event: "begun", migration: id, message: "taking it back" });
  const remains = await findSyncRemains(client, migration);
  const derived =
    file === undefined && applied ? await takeBackExpand(client, migration, applied) : [];
  const locks =
    remains.tables.length === 0
      ? []
      : [`LOCK TABLE ${remains.tables.join(", ")} IN ACCESS EXCLUSIVE MODE`];
  const path = sessionsPath(run.session);
  const back = "SET LOCAL search_path = pg_catalog, pg_temp";
  const ending = await endingOf(work, file);
  try {
    await inShortLocks(
      work,
      "taking back what expand.sql has made",
      [...locks, ...remains.statements, path, ...derived, back],
      () => together(run.session.client, ending, () => forgetWork(run, id)),
    );
  } catch (error) {
    throw await givenUp(work, error, state, applied?.reason ?? null);
  }
  onProgress({ event: "finished", migration: id, message: "aborted" });
}

/**
 * What an abort that has changed nothing leaves behind. Where others hold its tables, or views and
 * functions of repeatable/ use what it would take back, the migration is again what it was: only then
 * may those be applied without that. After an abort that was killed nobody knows what it was.
 */
async function givenUp(
  { run, migration: { id } }: MigrationRun,
  error: unknown,
  state: MigrationState,
  reason: string | null,
): Promise<unknown> {
  if (!(error instanceof UserError)) return error;
  const isDependedOn = error.problem.includes(sqlState.dependentObjects);
  const blamed = isDependedOn ? await blamedIn(run.session.client, error.details.join("\n")) : [];
  if (blamed.length === 0 && !(error instanceof StillBlocked)) return error;
  if (state !== "aborting") {
    await withJournalTransaction(run, () => advance(run, id, "aborting", state, reason));
  }
  if (blamed.length === 0) return error;
  const uses = blamed.map(
    ({ object, path }) => `${object} of ${path} uses what it would take back.`,
  );
  const abort = `npm run migrations -- abort ${id}`;
  const paths = [...new Set(blamed.map(({ path }) => path))].join(", ");
  if (state !== "aborting") {
    return refusal(id, uses, `apply ${paths} without that, then ${abort}`);
  }
  const drops = blamed.map(dropOf).join("; ");
  return refusal(
    id,
    [...uses, "An earlier abort was interrupted, and apply waits for its end."],
    `${drops}, then ${abort}; ${paths} without that makes it again`,
  );
}

function refusal(id: string, details: readonly string[], next: string): UserError {
  return new UserError(`Migration ${id} cannot be aborted.`, details, next);
}

/**
 * What comes later may build on a migration, so the newest is taken back first.
 * @throws UserError naming the newest
 */
function ensureNothingLater(journal: Journal, { id, number }: Migration): void {
  const later = [...journal.migrations.values()]
    .filter(({ state }) => state !== "aborted")
    .filter((applied) => compareNumbers(applied.number, number) > 0)
    .sort((a, b) => compareNumbers(b.number, a.number));
  const [newest] = later;
  if (newest === undefined) return;
  throw new UserError(
    `Migration ${id} cannot be aborted: ${newest.id}, which comes after it, is ${newest.state}.`,
    ["What comes after it may build on it."],
    newest.kind === "phased"
      ? `npm run migrations -- abort ${newest.id}`
      : "write a new migration that takes back what both did",
  );
}
