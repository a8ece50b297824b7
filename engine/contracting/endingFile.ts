import type { Client } from "pg";
import type { MigrationFile } from "../files/migration";
import { statementsOf } from "../files/migrationStatements";
import { dependentsIn, isAboutDependents } from "../journal/blamedRepeatables";
import type { MigrationRun } from "../journal/fileContext";
import { sqlState, stateOf } from "../session/databaseErrors";
import { explainStatementError } from "../session/statementError";
import { headOf } from "../sql/sourceText";

/** The statements of contract.sql, abort.sql or undo.sql, inside a short transaction of the engine. */
export async function runEndingFile(
  { run, migration, onProgress }: MigrationRun,
  file: MigrationFile,
): Promise<void> {
  const { client, facts } = run.session;
  const statements = await statementsOf(file);
  const setSearchPath = (path: string) =>
    client.query("SELECT set_config('search_path', $1, true)", [path]);
  await setSearchPath(facts.searchPath);
  for (const statement of statements) {
    const message = `${file.phase}.sql, statement ${statement.number} of ${statements.length}: ${headOf(statement.text)}`;
    onProgress({ event: "statement", migration: migration.id, message });
    await client.query("SAVEPOINT before_statement");
    try {
      await client.query(statement.text);
    } catch (error) {
      const state = stateOf(error);
      if (state === sqlState.lockNotAvailable || state === sqlState.deadlockDetected) throw error;
      const position = { migration: migration.id, file, statement, of: statements.length };
      const kept = `Nothing of the ${file.phase} was kept: its transaction was rolled back.`;
      throw explainStatementError(error, position, kept, await whatDepends(client, error));
    }
  }
  await setSearchPath("pg_catalog, pg_temp");
}

/** Of the repeatable files, inside the transaction whose statement has failed. */
async function whatDepends(client: Client, error: unknown): Promise<string[]> {
  if (!isAboutDependents(error)) return [];
  await client.query("ROLLBACK TO before_statement; SET LOCAL search_path = pg_catalog, pg_temp");
  return (await dependentsIn(client, error)).map(
    ({ object, path }) => `${object} is made by ${path}: apply that file without it first.`,
  );
}
