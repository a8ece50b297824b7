import type { Client } from "pg";
import type { MigrationFile } from "../files/migration";
import { statementsOf } from "../files/migrationStatements";
import { dependentsIn, isAboutDependents } from "../journal/blamedRepeatables";
import type { MigrationRun } from "../journal/fileContext";
import { sqlState, stateOf } from "../session/databaseErrors";
import { explainStatementError } from "../session/statementError";
import { together } from "../session/together";
import { headOf } from "../sql/sourceText";
import type { Statement } from "../sql/parser";

/**
 * The statements of contract.sql, abort.sql or undo.sql, read before any lock is held.
 * @returns sends them all, inside a short transaction of the engine; does nothing without a file
 */
export async function endingOf(
  { run, migration, onProgress }: MigrationRun,
  file: MigrationFile | undefined,
): Promise<() => Promise<void>> {
  if (file === undefined) return () => Promise.resolve();
  const { client, facts } = run.session;
  const statements = await statementsOf(file);
  const setSearchPath = (path: string) =>
    client.query("SELECT set_config('search_path', $1, true)", [path]);
  const send = async (statement: Statement): Promise<void> => {
    const message = `${file.phase}.sql, statement ${statement.number} of ${statements.length}: ${headOf(statement.text)}`;
    onProgress({ event: "statement", migration: migration.id, message });
    try {
      await together(
        client,
        () => client.query("SAVEPOINT before_statement"),
        () => client.query(statement.text),
      );
    } catch (error) {
      const state = stateOf(error);
      if (state === sqlState.lockNotAvailable || state === sqlState.deadlockDetected) throw error;
      const position = { migration: migration.id, file, statement, of: statements.length };
      const kept = `Nothing of the ${file.phase} was kept: its transaction was rolled back.`;
      throw explainStatementError(error, position, kept, await whatDepends(client, error));
    }
  };
  return () =>
    together(
      client,
      () => setSearchPath(facts.searchPath),
      ...statements.map((statement) => () => send(statement)),
      () => setSearchPath("pg_catalog, pg_temp"),
    );
}

/** Of the repeatable files, inside the transaction whose statement has failed. */
async function whatDepends(client: Client, error: unknown): Promise<string[]> {
  if (!isAboutDependents(error)) return [];
  await client.query("ROLLBACK TO before_statement; SET LOCAL search_path = pg_catalog, pg_temp");
  return (await dependentsIn(client, error)).map(
    ({ object, path }) => `${object} is made by ${path}: apply that file without it first.`,
  );
}
