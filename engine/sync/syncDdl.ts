import { UserError } from "../../userError";
import type { MigrationRun } from "../journal/fileContext";
import { withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "./liveSync";
import { resetSession } from "../session/session";
import { together } from "../session/together";
import { longestTableWait, retryWhileBlocked } from "../locks/shortLock";
import { StillBlocked } from "../locks/stillBlocked";
import { needsOfTexts } from "../locks/strongNeeds";
import { explainSyncError } from "./syncError";

/**
 * Runs statements and journal rows in one transaction that waits but briefly for each lock, and
 * holds it for as few round trips as can be.
 * @param doing for people, like "adding the triggers"
 * @param record what comes after the statements: it is called before they have ended
 */
export async function inShortLocks(
  work: MigrationRun,
  doing: string,
  statements: readonly string[],
  record: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const { run } = work;
  const { client } = run.session;
  await resetSession(run.session);
  const needs = await needsOfTexts(run, statements);
  try {
    await retryWhileBlocked(work, {
      needs,
      longestWait: longestTableWait,
      doing,
      where: [],
      kept: ["Its transaction was not begun."],
      attempt: (locks, takesFirst) =>
        withJournalTransaction(run, async () => {
          if (takesFirst) await locks.take(needs);
          const sent = statements.map((text) => () => client.query(text));
          await together(client, ...sent, record);
        }, [locks.settings]),
      causeOf: (failure) => failure,
      giveUp: (failure, extra) => stillBlocked(explainSyncError(failure, work, doing, extra)),
    });
  } catch (error) {
    throw explainSyncError(error, work, doing);
  }
}

function stillBlocked(error: unknown): unknown {
  if (!(error instanceof UserError)) return error;
  return new StillBlocked(error.problem, error.details, error.next);
}

/** Validates a constraint that may be valid already; writers go on meanwhile. */
export async function validateConstraint(
  work: MigrationRun,
  constraint: { readonly table: string; readonly name: string },
): Promise<void> {
  const { table, name } = constraint;
  const quotedName = work.run.session.client.escapeIdentifier(name);
  await inShortLocks(work, `validating ${name} on ${table}`, [
    `ALTER TABLE ${table} VALIDATE CONSTRAINT ${quotedName}`,
  ]);
}

/** Adds a constraint that may be there already, without looking at the rows. */
export async function addConstraint(
  work: MigrationRun,
  live: LiveSync,
  { table, name, definition }: LiveSync["constraints"][number],
): Promise<void> {
  const { client } = work.run.session;
  const { rowCount } = await client.query(
    "SELECT FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2",
    [table, name],
  );
  if (rowCount !== 0) return;
  const locked = live.locked.map(({ sql }) => sql).join(", ");
  await inShortLocks(work, `adding ${name} to ${table}`, [
    `LOCK TABLE ${locked} IN SHARE ROW EXCLUSIVE MODE`,
    `ALTER TABLE ${table} ADD CONSTRAINT ${client.escapeIdentifier(name)} ${definition} NOT VALID`,
  ]);
}
