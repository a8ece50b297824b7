import type { Client } from "pg";
import { UserError } from "../../userError";
import { advance, recordFiles, type Run, withJournalTransaction } from "../journal/journalWriter";
import type { Migration, MigrationFile } from "../files/migration";
import { statementsOf } from "../files/migrationStatements";
import { resetSession } from "../session/session";
import { printable } from "../sql/sourceText";
import { explainStatementError } from "../session/statementError";
import { withReadOnlyTransaction } from "../session/transaction";

const shownRows = 5;

/**
 * Runs a migration's checks, each in a read-only transaction, and takes it from `from` to verified,
 * or to blocked with the rows that are wrong.
 */
export async function verify(
  run: Run,
  migration: Migration,
  from: "expanded" | "backfilled" | "blocked",
): Promise<void> {
  const checks = migration.files.filter(({ phase }) => phase === "check");
  for (const check of checks) {
    await resetSession(run.session);
    const wrong = await rowsOf(run.session.client, migration, check);
    if (wrong.length === 0) continue;
    const reason = `${check.path} returned rows`;
    await withJournalTransaction(run, () => advance(run, migration.id, from, "blocked", reason));
    throw new UserError(
      `Migration ${migration.id} is blocked: its check ${check.shownPath} found rows that are wrong.`,
      [
        ...wrong.slice(0, shownRows).map((row) => printable(JSON.stringify(row)).slice(0, 300)),
        ...(wrong.length > shownRows ? ["and more"] : []),
      ],
      "correct the data (or the check), then run the same command again: only the checks are repeated",
    );
  }
  await withJournalTransaction(run, async () => {
    await recordFiles(run, migration.id, checks);
    await advance(run, migration.id, from, "verified");
  });
}

async function rowsOf(
  client: Client,
  migration: Migration,
  check: MigrationFile,
): Promise<unknown[]> {
  const [statement] = await statementsOf(check);
  if (statement === undefined) return [];
  try {
    return await withReadOnlyTransaction(client, async () => {
      await client.query(`DECLARE stateful_cd_check NO SCROLL CURSOR FOR ${statement.text}`);
      const { rows } = await client.query<Record<string, unknown>>(
        `FETCH ${shownRows + 1} FROM stateful_cd_check`,
      );
      return rows;
    });
  } catch (error) {
    throw explainStatementError(
      error,
      { migration: migration.id, file: check, statement, of: 1 },
      "A check changes nothing; the migration itself is done.",
    );
  }
}
