import type { Client } from "pg";
import { recordArchives } from "./archive";
import { endingOf } from "./endingFile";
import { openRoles, sessionsOf, setLogin } from "./oldRoles";
import { noteClosedRoles } from "./quiet";
import type { MigrationRun } from "../journal/fileContext";
import type { MigrationState } from "../journal/journal";
import { advance, recordFiles, withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "../sync/liveSync";
import type { MigrationFile } from "../files/migration";
import { ensureContractHarmless } from "../planEndings";
import { planSync } from "../preparing/planSync";
import { resetSession } from "../session/session";
import { together } from "../session/together";
import { StillBlocked } from "../locks/stillBlocked";
import { inShortLocks, validateConstraint } from "../sync/syncDdl";

/** Whom a contract shuts out, and the session of somebody who may do that. */
export interface Closing {
  readonly administrator: Client;
  readonly oldRoles: readonly string[];
}

/**
 * rolled_out -> contracting -> done. The old logins are closed first, so that nothing old can come
 * back. What needs time is done next, online; then one short lock in which the triggers go,
 * contract.sql runs, and the old columns are renamed: that is the archive, into which no row can
 * fall late.
 * @returns why it has to wait after all; undefined once it is done
 */
export async function contractMigration(
  work: MigrationRun,
  state: MigrationState,
  { administrator, oldRoles }: Closing,
): Promise<string | undefined> {
  const { run, migration, onProgress } = work;
  const { client } = run.session;
  await resetSession(run.session);
  const live = await planSync(client, migration);
  const file = migration.files.find(({ phase }) => phase === "contract");
  if (state !== "contracting") await ensureContractHarmless(client, migration, file);
  const open = await openRoles(client, oldRoles);
  const cannot = await setLogin(administrator, open, "NOLOGIN", true);
  if (cannot !== undefined) return cannot;
  await withJournalTransaction(run, async () => {
    await recordFiles(run, migration.id, file === undefined ? [] : [file]);
    await noteClosedRoles(run, migration.id, open);
    if (state !== "contracting") await advance(run, migration.id, state, "contracting");
  });
  onProgress({ event: "begun", migration: migration.id, message: "contracting" });
  await setLogin(administrator, open, "NOLOGIN");
  // Who came in at the last moment is seen here, and nobody comes in after it.
  const late = await sessionsOf(client, oldRoles);
  if (late !== undefined) return late;
  try {
    await prepare(work, live);
    await end(work, live, file);
  } catch (error) {
    if (error instanceof StillBlocked) return [error.problem, ...error.details].join(" ");
    throw error;
  }
  onProgress({ event: "finished", migration: migration.id, message: "contracted" });
  return undefined;
}

/** Constraints of the new shape, validated while everybody writes. */
async function prepare(work: MigrationRun, live: LiveSync | undefined): Promise<void> {
  const { client } = work.run.session;
  for (const { table, constraint, add } of live?.contract.prepare ?? []) {
    const { rowCount } = await client.query(
      "SELECT FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2",
      [table, constraint],
    );
    if (rowCount === 0) {
      await inShortLocks(work, `adding ${constraint} to ${table}`, [
        `ALTER TABLE ${table} ADD CONSTRAINT ${client.escapeIdentifier(constraint)} ${add} NOT VALID`,
      ]);
    }
    await validateConstraint(work, { table, name: constraint });
  }
}

async function end(
  work: MigrationRun,
  live: LiveSync | undefined,
  file: MigrationFile | undefined,
): Promise<void> {
  const { run, migration } = work;
  const { client } = run.session;
  const tables = live?.locked.map(({ sql }) => sql).join(", ");
  const ending = await endingOf(work, file);
  const before =
    live === undefined
      ? []
      : [
          `LOCK TABLE ${tables ?? ""} IN ACCESS EXCLUSIVE MODE`,
          ...live.uninstall,
          ...live.contract.release,
        ];
  await inShortLocks(work, "ending the old shape", before, () =>
    together(
      client,
      ending,
      ...(live?.contract.archive ?? []).map((rename) => () => client.query(rename)),
      ...(live === undefined ? [] : [() => recordArchives(run, migration, live)]),
      () => advance(run, migration.id, "contracting", "done"),
    ),
  );
}
