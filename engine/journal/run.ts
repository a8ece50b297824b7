import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { UserError } from "../../userError";
import { messageOf } from "../session/databaseErrors";
import type { Journal, JournalIdentity } from "./journal";
import { upgradeJournal } from "./journalSchema";
import { NewRelations } from "../sql/newRelations";
import type { Run } from "./journalWriter";
import type { OnProgress } from "../progress";
import { resetSession, type Session } from "../session/session";

/** What the run is called and where it believes to be. */
export interface RunIdentity {
  /** A stable name of this database, like `bookkeeper-prod/bookkeeper`; undefined leaves the journal's. */
  readonly target: string | undefined;
  readonly applicationName: string;
}

/**
 * Whether the journal found came here in a copy of another database: under another target's name,
 * or on another server. A volume snapshot keeps the server's identifier, CREATE DATABASE ...
 * TEMPLATE changes only the database's OID, pg_upgrade keeps neither.
 * @returns the origin's name, or undefined when the journal is at home
 */
export function originOf(
  journal: JournalIdentity,
  session: Session,
  target: string | undefined,
): string | undefined {
  const { facts } = session;
  const renamed = target !== undefined && journal.target !== null && journal.target !== target;
  const moved =
    journal.systemIdentifier !== facts.systemIdentifier ||
    journal.databaseOid !== facts.databaseOid;
  if (!renamed && !moved) return undefined;
  return journal.target ?? `database ${journal.databaseOid} of server ${journal.systemIdentifier}`;
}

/**
 * Opens a run: creates or upgrades the journal, raises the epoch, which shuts out every earlier
 * run, and notes a journal that came here in a copy. Call under the run lock.
 */
export async function beginRun(
  session: Session,
  journal: Journal | undefined,
  identity: RunIdentity,
  onProgress: OnProgress,
): Promise<Run> {
  const { client, facts } = session;
  const { systemIdentifier, databaseOid } = facts;
  const { target } = identity;
  await upgradeJournal(client, journal?.version ?? 0, { systemIdentifier, databaseOid, target });
  const origin = journal === undefined ? undefined : originOf(journal, session, target);
  const { rows } = await client.query<{ epoch: string }>(
    `WITH raised AS (
       UPDATE stateful_cd.journal
          SET epoch = epoch + 1, target = coalesce($1, target),
              system_identifier = $2, database_oid = $3
       RETURNING epoch, target)
     INSERT INTO stateful_cd.runs (epoch, outcome, target, recognised_from, application_name,
                                   user_name, backend_pid, backend_start)
     SELECT epoch, 'running', target, $4, $5, session_user, $6, $7 FROM raised
     RETURNING epoch::text`,
    [target, systemIdentifier, databaseOid, origin, identity.applicationName].concat([
      String(facts.backendPid),
      facts.backendStart,
    ]),
  );
  const epoch = rows[0]?.epoch;
  if (epoch === undefined) throw new Error("stateful_cd.journal has no row");
  if (origin !== undefined) {
    onProgress({ event: "recognised", message: `recognised journal of ${origin}` });
  }
  return { epoch, session, newRelations: new NewRelations() };
}

/**
 * Waits until no backend of an earlier run is alive: a killed client's backend finishes its
 * statement first, and its COMMIT may still be under way. One that idles has lost its client or
 * its lock and can write nothing any more: it is ended, for it may hold locks.
 */
export async function awaitEarlierRuns(
  run: Run,
  deadlineSeconds: number,
  onProgress: OnProgress,
): Promise<void> {
  const { client } = run.session;
  const deadline = Date.now() + deadlineSeconds * 1000;
  for (let told = false; ; told = true) {
    const { rows } = await client.query<{ pid: number; state: string; query: string }>(
      `SELECT a.pid, coalesce(a.state, 'active') AS state, left(a.query, 60) AS query
         FROM stateful_cd.runs r
         JOIN pg_stat_activity a
           ON a.pid = r.backend_pid AND extract(epoch FROM a.backend_start)::text = r.backend_start
        WHERE r.outcome = 'running' AND r.epoch < $1 AND a.datname = current_database()
          AND a.pid <> pg_backend_pid()`,
      [run.epoch],
    );
    const [orphan] = rows;
    if (orphan === undefined) break;
    if (orphan.state !== "active") {
      await client.query("SELECT pg_terminate_backend($1)", [orphan.pid]);
    } else if (Date.now() > deadline) {
      throw new UserError(
        `A statement of an earlier run is still at work (pid ${orphan.pid}).`,
        [`Waited ${deadlineSeconds} s for it.`],
        `wait until it has ended, or end it: SELECT pg_terminate_backend(${orphan.pid})`,
      );
    } else if (!told) {
      const message = `an earlier run's statement is still at work (pid ${orphan.pid}): waiting for it`;
      onProgress({ event: "waiting", message });
    }
    await sleep(100);
  }
  await client.query(
    `UPDATE stateful_cd.runs
        SET outcome = 'failed', error = 'the process ended', finished_at = clock_timestamp()
      WHERE outcome = 'running' AND epoch < $1`,
    [run.epoch],
  );
}

/** Whether a run has not ended: it is at work, or it was killed and has left its last word unsaid. */
export async function hasUnendedRun(client: Client): Promise<boolean> {
  const { rowCount } = await client.query(
    "SELECT FROM stateful_cd.runs WHERE outcome = 'running' LIMIT 1",
  );
  return rowCount === 1;
}

/** Closes a run's row. With an error that is on its way, a failure to do so must not hide it. */
export async function endRun(run: Run, error?: unknown): Promise<void> {
  if (error === undefined) {
    await writeOutcome(run, "done", null);
    return;
  }
  const problem = error instanceof UserError ? error.problem : messageOf(error);
  await writeOutcome(run, "failed", problem).catch(() => undefined);
}

async function writeOutcome(run: Run, outcome: string, error: string | null): Promise<void> {
  await resetSession(run.session);
  await run.session.client.query(
    `UPDATE stateful_cd.runs SET outcome = $2, error = $3, finished_at = clock_timestamp()
      WHERE epoch = $1`,
    [run.epoch, outcome, error],
  );
}
