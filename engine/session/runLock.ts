import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { UserError } from "../../userError";
import { ensureNoPooler, poolerRefusal } from "./pooler";
import type { OnProgress } from "../progress";
import { type Connect, keepalives, type Session, setForSession, withSession } from "./session";

/**
 * The advisory lock of a journal. PostgreSQL keeps advisory locks apart by database, so the
 * schema's name is all that is left to tell.
 */
const lockKey = createHash("sha256").update("run lock of stateful_cd").digest().readBigInt64BE();

/** The run lock while it is held. */
export interface RunLock {
  /** The session that holds it: for short questions only, never for work. */
  readonly session: Session;
  /** @throws UserError when the lock is lost, before more is done without it */
  ensureHeld(): void;
}

export interface LockOptions {
  readonly connect: Connect;
  readonly deadlineSeconds: number;
  readonly onProgress: OnProgress;
}

/**
 * Runs `work` while no other run can work on the same database. The lock is polled from a session
 * of its own that is otherwise idle: a session that WAITS in pg_advisory_lock holds a snapshot,
 * and deadlocks with a concurrent index build of the holder.
 * @throws UserError naming the holder when the deadline passes
 */
export async function withRunLock<T>(
  work: Session,
  options: LockOptions,
  use: (lock: RunLock) => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + options.deadlineSeconds * 1000;
  const database = `${work.facts.systemIdentifier}/${work.facts.databaseOid}`;
  return withTurn(database, () =>
    withSession(options.connect, async (session) => {
      await ensureNoPooler(work, session);
      const settings = { idle_session_timeout: "0", statement_timeout: "0", ...keepalives };
      await session.client.query(setForSession(session.client, settings));
      await acquire(session, deadline, options);
      return use({
        session,
        ensureHeld: () => {
          if (session.lost) throw lostLock();
        },
      });
    }),
  );
}

const turns = new Map<string, Promise<unknown>>();

/** Runs of one process take turns without polling. */
async function withTurn<T>(database: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(database) ?? Promise.resolve();
  const mine = before.then(work, work);
  const settled = mine.then(
    () => undefined,
    () => undefined,
  );
  turns.set(database, settled);
  try {
    return await mine;
  } finally {
    if (turns.get(database) === settled) turns.delete(database);
  }
}

async function acquire(session: Session, deadline: number, options: LockOptions): Promise<void> {
  let told = "";
  for (let pause = 50; ; pause = Math.min(pause * 1.5, 1000)) {
    const { rows } = await session.client.query<{ locked: boolean | null }>(
      "SELECT CASE WHEN pg_backend_pid() = $2 THEN pg_try_advisory_lock($1) END AS locked",
      [lockKey.toString(), session.facts.backendPid],
    );
    if (rows[0]?.locked === true) return;
    if (rows[0]?.locked === null) throw poolerRefusal();
    const holder = await holderOf(session.client);
    if (Date.now() + pause > deadline) throw heldByOther(holder, options.deadlineSeconds);
    if (holder !== undefined && holder !== told) {
      options.onProgress({ event: "waiting", message: `another run is at work: ${holder}` });
      told = holder;
    }
    await sleep(pause * (0.75 + Math.random() / 2));
  }
}

/** undefined when the holder let go between two questions. */
async function holderOf(client: Client): Promise<string | undefined> {
  const { rows } = await client.query<{ holder: string }>(
    `SELECT format('pid %s, user %s, application %s, since %s', a.pid, a.usename,
                   quote_literal(a.application_name),
                   to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')) AS holder
       FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32 | l.objid::bigint) = $1`,
    [lockKey.toString()],
  );
  return rows[0]?.holder;
}

function heldByOther(holder: string | undefined, seconds: number): UserError {
  const pid = /^pid (\d+)/.exec(holder ?? "")?.[1];
  return new UserError(
    "Another run is at work on this database; nothing was run.",
    [
      `It holds the run lock: ${holder ?? "it ended this very moment"}.`,
      `Waited ${seconds} s for it.`,
    ],
    pid === undefined
      ? "run the same command again"
      : `wait until it has ended, or end it: SELECT pg_terminate_backend(${pid})`,
  );
}

function lostLock(): UserError {
  return new UserError(
    "The session that holds the run lock was lost; the run stopped before its next step.",
    ["What was done so far is in the journal."],
    "see that the server answers, then run the same command again",
  );
}
