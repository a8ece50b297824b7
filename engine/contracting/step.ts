import { sqlState, stateOf } from "../session/databaseErrors";
import type { MigrationRun } from "../journal/fileContext";
import type { MigrationState } from "../journal/journal";
import { advance, recordFiles, withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "../sync/liveSync";
import type { MigrationFile } from "../files/migration";
import { statementsOf } from "../files/migrationStatements";
import { planSync } from "../sync/planSync";
import { resetSession } from "../session/session";
import { headOf } from "../sql/sourceText";
import { explainStatementError } from "../session/statementError";
import { StillBlocked } from "../locks/stillBlocked";
import { inShortLocks, validateConstraint } from "../sync/syncDdl";

/**
 * verified -> contracting -> done. What needs time is done before, online; then one short lock in
 * which the triggers go, contract.sql runs, and the old columns are renamed: that is the archive,
 * into which no row can fall late.
 * @returns why it has to wait after all; undefined once it is done
 */
export async function contractMigration(
  work: MigrationRun,
  state: MigrationState,
): Promise<string | undefined> {
  const { run, migration, onProgress } = work;
  await resetSession(run.session);
  const live = await planSync(run.session.client, migration);
  const file = migration.files.find(({ phase }) => phase === "contract");
  await withJournalTransaction(run, async () => {
    await recordFiles(run, migration.id, file === undefined ? [] : [file]);
    if (state !== "contracting") await advance(run, migration.id, state, "contracting");
  });
  onProgress({ event: "begun", migration: migration.id, message: "contracting" });
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
  const before =
    live === undefined
      ? []
      : [
          `LOCK TABLE ${tables ?? ""} IN ACCESS EXCLUSIVE MODE`,
          ...live.uninstall,
          ...live.contract.release,
        ];
  await inShortLocks(work, "ending the old shape", before, async () => {
    if (file !== undefined) await runContractFile(work, file);
    for (const statement of live?.contract.archive ?? []) await client.query(statement);
    await advance(run, migration.id, "contracting", "done");
  });
}

async function runContractFile(work: MigrationRun, file: MigrationFile): Promise<void> {
  const { run, migration, onProgress } = work;
  const { client, facts } = run.session;
  const statements = await statementsOf(file);
  const setSearchPath = (path: string) =>
    client.query("SELECT set_config('search_path', $1, true)", [path]);
  await setSearchPath(facts.searchPath);
  for (const statement of statements) {
    const message = `contract.sql, statement ${statement.number} of ${statements.length}: ${headOf(statement.text)}`;
    onProgress({ event: "statement", migration: migration.id, message });
    try {
      await client.query(statement.text);
    } catch (error) {
      const state = stateOf(error);
      if (state === sqlState.lockNotAvailable || state === sqlState.deadlockDetected) throw error;
      const position = { migration: migration.id, file, statement, of: statements.length };
      const kept = "Nothing of the contract was kept: its transaction was rolled back.";
      throw explainStatementError(error, position, kept);
    }
  }
  await setSearchPath("pg_catalog, pg_temp");
}
