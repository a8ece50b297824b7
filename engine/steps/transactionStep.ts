import { errorText } from "../../userError";
import type { FileRun } from "../journal/fileContext";
import type { Statement } from "../sql/parser";
import type { Segment } from "../sql/segments";
import type { MigrationFile } from "../files/migration";
import type { StatementClass } from "../locks/classification";
import type { LockAttempt } from "../locks/lockAttempt";
import type { LockNeed } from "../locks/lockNeed";
import { longestRowWait, longestTableWait, retryWhileBlocked } from "../locks/shortLock";
import { lockPlan, strongNeeds } from "../locks/strongNeeds";
import { excerpt, headOf } from "../sql/sourceText";
import { together } from "../session/together";
import { beginReadWrite, withTransaction } from "../session/transaction";

/** An error and the statement that met it; none at COMMIT. */
export class StatementFailure extends Error {
  constructor(
    readonly error: unknown,
    readonly statement: Statement | undefined,
    readonly extra: readonly string[],
  ) {
    super(errorText(error));
  }
}

/** Statements that lock rows only, not tables against everybody. */
const rowKinds = new Set(["InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "SelectStmt"]);

/**
 * Runs a segment as one transaction with its journal row, again and again while others hold its
 * table locks.
 * @param classes what its statements will do
 * @param record fenced writes only: COMMIT is sent behind them, and does not wait for their answers
 * @throws StatementFailure, or StillBlocked when it could not even begin
 */
export async function runTransaction(
  context: FileRun,
  segment: Segment,
  classes: readonly StatementClass[],
  of: number,
  record: () => Promise<void>,
): Promise<void> {
  const { file } = context;
  const plan = lockPlan(classes);
  const isRowsOnly = segment.statements.every(({ kind }) => rowKinds.has(kind));
  await retryWhileBlocked(context, {
    needs: strongNeeds(classes),
    longestWait: isRowsOnly ? longestRowWait : longestTableWait,
    where: whereOf(file, segment, of, plan),
    kept: [keptOf(segment)],
    attempt: (locks, takesFirst) =>
      runOnce(context, segment, { of, record, locks, plan: takesFirst ? plan : new Map() }),
    causeOf: (failure) => (failure instanceof StatementFailure ? failure.error : undefined),
    giveUp: (failure, extra) =>
      failure instanceof StatementFailure
        ? new StatementFailure(failure.error, failure.statement, extra)
        : failure,
  });
}

/** What stays of a file when this segment fails. */
export function keptOf(segment: Segment): string {
  return segment.first === 1
    ? "Nothing of this file was kept: its transaction was rolled back."
    : `Statements 1 to ${segment.first - 1} of this file are done and stay; the rest was rolled back.`;
}

/** The first statement that locks a table. */
function whereOf(
  file: MigrationFile,
  segment: Segment,
  of: number,
  plan: ReadonlyMap<number, unknown>,
): readonly string[] {
  const statement = segment.statements.find(({ number }) => plan.has(number));
  if (statement === undefined) return [file.shownPath];
  const [place = file.shownPath, ...lines] = excerpt(file, statement.offset);
  return [`${place} (statement ${statement.number} of ${of})`, ...lines];
}

/**
 * A crash of the server may lose the file, together with its journal row: the next run does it again.
 * Whatever commits afterwards on any session, the end of the run at the latest, makes it durable, so
 * that a hundred small files wait for the disk once.
 */
const durableLater = "SET LOCAL synchronous_commit = off";

interface Once {
  readonly of: number;
  readonly record: () => Promise<void>;
  readonly locks: LockAttempt;
  /** Tables to lock before a statement, by its number. */
  readonly plan: ReadonlyMap<number, readonly LockNeed[]>;
}

async function runOnce(
  { run, migration, onProgress }: FileRun,
  segment: Segment,
  { of, record, locks, plan }: Once,
): Promise<void> {
  const { client } = run.session;
  const begin = segment.begin ?? beginReadWrite;
  const settings = `${locks.settings}; SET LOCAL client_connection_check_interval = 1000; ${durableLater}`;
  const last = segment.statements.at(-1);
  let current = segment.statements[0];
  try {
    await withTransaction(
      client,
      async () => {
        for (const statement of segment.statements) {
          current = statement;
          const message = `statement ${statement.number} of ${of}: ${headOf(statement.text)}`;
          onProgress({ event: "statement", migration: migration.id, message });
          const tables = plan.get(statement.number);
          if (tables !== undefined) await locks.take(tables);
          if (statement !== last) await client.query(statement.text);
        }
      },
      `${begin}; ${settings}`,
      // Its locks are felt from here on: neither the journal's row nor COMMIT waits for its answer.
      () =>
        together(
          client,
          async () => {
            if (last !== undefined) await client.query(last.text);
            current = undefined;
          },
          record,
        ),
    );
  } catch (error) {
    throw new StatementFailure(error, current, []);
  }
}
