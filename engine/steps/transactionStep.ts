import type { FileRun } from "../journal/fileContext";
import type { Statement } from "../sql/parser";
import type { Segment } from "../sql/segments";
import { retryWhileBlocked } from "../locks/shortLock";
import { headOf } from "../sql/sourceText";
import { withTransaction } from "../session/transaction";

/** An error and the statement that met it; none at COMMIT. */
export class StatementFailure extends Error {
  constructor(
    readonly error: unknown,
    readonly statement: Statement | undefined,
    readonly extra: readonly string[],
  ) {
    super(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Runs a segment as one transaction with its journal row, again and again while others hold its
 * table locks.
 * @throws StatementFailure
 */
export async function runTransaction(
  context: FileRun,
  segment: Segment,
  of: number,
  record: () => Promise<void>,
): Promise<void> {
  await retryWhileBlocked(context, {
    attempt: (patience) => runOnce(context, segment, of, patience, record),
    causeOf: (failure) => (failure instanceof StatementFailure ? failure.error : undefined),
    giveUp: (failure, extra) =>
      failure instanceof StatementFailure
        ? new StatementFailure(failure.error, failure.statement, extra)
        : failure,
  });
}

async function runOnce(
  { run, migration, onProgress }: FileRun,
  segment: Segment,
  of: number,
  lockMilliseconds: number,
  record: () => Promise<void>,
): Promise<void> {
  const { client } = run.session;
  const begin = segment.begin ?? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
  const settings = `SET LOCAL lock_timeout = ${lockMilliseconds}; SET LOCAL client_connection_check_interval = 1000`;
  let current = segment.statements[0];
  try {
    await withTransaction(
      client,
      async () => {
        for (const statement of segment.statements) {
          current = statement;
          const message = `statement ${statement.number} of ${of}: ${headOf(statement.text)}`;
          onProgress({ event: "statement", migration: migration.id, message });
          await client.query(statement.text);
        }
        current = undefined;
        await record();
      },
      `${begin}; ${settings}`,
    );
  } catch (error) {
    throw new StatementFailure(error, current, []);
  }
}
