import type { Client } from "pg";
import { UserError } from "../../userError";
import { isConnectionLoss, sqlState, stateOf } from "../session/databaseErrors";
import { type FileRun, keyOf } from "../journal/fileContext";
import { forgetStep, startStep, withJournalTransaction } from "../journal/journalWriter";
import type { Statement } from "../sql/parser";
import type { AloneAction } from "../sql/statement";
import { recoveryOf } from "./recovery";
import type { Recovery } from "./recoveryShape";
import type { Segment } from "../sql/segments";
import { excerpt, headOf } from "../sql/sourceText";
import { watchingSnapshots } from "./snapshotWatch";
import { explainStatementError } from "../session/statementError";

interface AloneRun {
  /** An earlier run has started this statement and did not get to say how it ended. */
  readonly resumed: boolean;
  /** How many statements the file has. */
  readonly of: number;
  /** Writes the journal's rows once the statement has taken effect. */
  readonly record: () => Promise<void>;
}

const attempts = 5;

/**
 * Runs a statement that PostgreSQL refuses in a transaction: note that it runs, look into the
 * catalog whether it is needed, act, look again, note that it is done. After a crash at any point
 * the next run comes to the same end.
 */
export async function runAlone(
  context: FileRun,
  segment: Segment,
  { resumed, of, record }: AloneRun,
): Promise<void> {
  const { run, lock, migration, file, onProgress } = context;
  const [statement] = segment.statements;
  if (statement === undefined || segment.alone === undefined) return;
  const key = keyOf(context, segment);
  lock.ensureHeld();
  await withJournalTransaction(run, () => startStep(run, key));
  const message = `statement ${statement.number} of ${of}: ${headOf(statement.text)}`;
  onProgress({ event: "statement", migration: migration.id, message });
  const blockedBy: string[] = [];
  try {
    await actAlone(context, statement, segment.alone, resumed, blockedBy);
  } catch (error) {
    if (error instanceof UserError && resumed) throw error;
    const isGone = isConnectionLoss(error) || run.session.lost;
    if (!isGone) {
      await bound(run.session.client, 0);
      await withJournalTransaction(run, () => forgetStep(run, key));
    }
    const kept = isGone
      ? "Whether it took effect is looked up in the catalog by the next run."
      : `Statements before it are done and stay; this one left nothing behind.`;
    throw explainStatementError(error, { migration: migration.id, file, statement, of }, kept, [
      ...new Set(blockedBy),
    ]);
  }
  await withJournalTransaction(run, record);
}

/**
 * Looks into the catalog whether the statement is needed, and acts.
 * @param blockedBy as in watchingSnapshots
 */
export async function actAlone(
  context: FileRun,
  statement: Statement,
  action: AloneAction,
  resumed: boolean,
  blockedBy: string[],
): Promise<void> {
  const { run, migration, onProgress, deadlines } = context;
  const recovery = recoveryOf(action, {
    session: run.session,
    statement,
    deadlineSeconds: deadlines.buildSeconds,
    wait: (message) => {
      onProgress({ event: "waiting", migration: migration.id, message });
    },
  });
  await bound(run.session.client, deadlines.buildSeconds);
  const need = await recovery.prepare(resumed);
  if (need === "unknown") throw unknownOutcome(context, statement);
  if (need === "act") {
    await watchingSnapshots(context, blockedBy, () => act(run.session.client, statement, recovery));
  }
  await bound(run.session.client, 0);
}

/** lock_timeout would cancel a concurrent build that waits for old transactions: a deadline instead. */
export async function bound(client: Client, seconds: number): Promise<void> {
  await client.query(
    "SELECT set_config('lock_timeout', '0', false), set_config('statement_timeout', $1, false)",
    [`${seconds}s`],
  );
}

/** Acts until the catalog says that it is done; clears away what a failed attempt has left. */
async function act(client: Client, statement: Statement, recovery: Recovery): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(statement.text);
    } catch (error) {
      if (isConnectionLoss(error)) throw error;
      await recovery.cleanUp();
      const state = stateOf(error);
      const mayPass = state === sqlState.deadlockDetected || state === sqlState.duplicateTable;
      if (!mayPass || attempt === attempts) throw error;
      const need = await recovery.prepare(false);
      if (need === "done") return;
      if (state === sqlState.duplicateTable) throw error;
      continue;
    }
    if (await recovery.isDone()) return;
    throw new UserError(
      `PostgreSQL reported success, but the catalog does not show it: ${headOf(statement.text)}`,
      [],
      "run the same command again",
    );
  }
}

function unknownOutcome({ migration, file }: FileRun, statement: Statement): UserError {
  const row = `migration = '${migration.id.replace(/'/g, "''")}' AND phase = '${file.phase}' AND first_statement = ${statement.number}`;
  return new UserError(
    `Migration ${migration.id} was interrupted at a statement whose outcome nothing tells.`,
    [
      ...excerpt(file, statement.offset),
      "It commits on its own, so it may have run, in whole or in part, or not at all.",
      `If it took effect: UPDATE stateful_cd.steps SET state = 'done' WHERE ${row};`,
      `If it may run again: DELETE FROM stateful_cd.steps WHERE ${row};`,
    ],
    "look at the data, record the outcome with one of these, then run the same command again",
  );
}
