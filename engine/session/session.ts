import type { Client } from "pg";
import { UserError } from "../../userError";
import { explainConnectFailure } from "./connectFailure";
import { explainConnectionError } from "./databaseErrors";
import { together } from "./together";

/** Gives a fresh connected session, one with `pipeline: true`; the caller decides how. The engine ends it. */
export type Connect = () => Promise<Client>;

/** What the engine needs to know of a session and the server behind it, read in one round trip. */
export interface SessionFacts {
  readonly backendPid: number;
  /** When the backend started, as text: with the pid it names a backend for ever. */
  readonly backendStart: string;
  readonly user: string;
  readonly role: string;
  readonly searchPath: string;
  readonly database: string;
  readonly databaseOid: string;
  readonly systemIdentifier: string;
  /** 170009 for 17.9. */
  readonly serverVersion: number;
  readonly inRecovery: boolean;
  readonly readOnly: boolean;
  readonly journalExists: boolean;
}

/** A session with what is known of it. */
export interface Session {
  readonly client: Client;
  readonly facts: SessionFacts;
  /** Set when the connection has ended or failed while nobody was waiting for a reply. */
  lost: boolean;
  /** Whether it is as `resetSession` leaves it; whoever says so has run nothing that changes it. */
  isReset: boolean;
  /** Whether schema changes may run what people have written without a call of it, when last reset. */
  hasHiddenCalls: boolean;
  /** Part of the names of prepared statements: another one whenever the server forgets them. */
  generation: number;
}

const oldestServer = 140000;

/** SQL: whether there is a journal, or what somebody has left of it. */
export const journalExists = `
  EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = 'stateful_cd' AND c.relname IN ('journal', 'migrations', 'runs'))`;

/** What is made after initdb has OIDs from here on. */
const firstOwnOid = 16384;

/** One number for all: whoever keeps a connection gives it to another session, and pg knows its names. */
let generations = 0;

/** Opens a session for `use` and ends it whatever happens. */
export async function withSession<T>(
  connect: Connect,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  let client: Client;
  try {
    client = await connect();
  } catch (error) {
    throw explainConnectFailure(error);
  }
  const unread = { client, facts: undefined, lost: false };
  const session = { ...unread, isReset: false, hasHiddenCalls: true, generation: ++generations };
  const lose = (): void => {
    session.lost = true;
  };
  client.on("error", lose);
  client.on("end", lose);
  try {
    const facts = await readFacts(client);
    return await use(Object.assign(session, { facts }));
  } catch (error) {
    throw explainConnectionError(error);
  } finally {
    await end(client, session);
    // Whoever keeps it for others may hear of it, not this use.
    if (!session.lost) client.off("error", lose).off("end", lose);
  }
}

/** A server that is gone cannot say goodbye, and the error that matters is already on its way. */
async function end(client: Client, session: { lost: boolean }): Promise<void> {
  if (session.lost) {
    client.connection.stream.destroy();
    return;
  }
  await client.end().catch(() => {
    session.lost = true;
  });
}

/**
 * SQL: what holds for every session of the engine from its first round trip on, whatever the role or
 * the database prescribe. A policy that would hide rows raises instead: what is not seen is not filled,
 * and the audit would call it right. A time-out of transactions, since PostgreSQL 17, would end long work.
 */
const unhindered = `
  set_config('row_security', 'off', false),
  CASE WHEN current_setting('server_version_num')::int >= 170000
       THEN set_config('transaction_timeout', '0', false) END`;

/** Reads them, and sets what every session of the engine has. */
export async function readFacts(client: Client): Promise<SessionFacts> {
  const { rows } = await client.query<Omit<SessionFacts, "serverVersion"> & { version: string }>(`
    WITH settings AS MATERIALIZED (SELECT ${unhindered})
    SELECT pg_backend_pid() AS "backendPid",
           current_setting('server_version_num') AS version,
           (SELECT extract(epoch FROM backend_start)::text FROM pg_stat_get_activity(pg_backend_pid())) AS "backendStart",
           session_user::text AS "user",
           current_setting('role') AS role,
           current_setting('search_path') AS "searchPath",
           current_database()::text AS database,
           (SELECT oid::text FROM pg_database WHERE datname = current_database()) AS "databaseOid",
           (SELECT system_identifier::text FROM pg_control_system()) AS "systemIdentifier",
           pg_is_in_recovery() AS "inRecovery",
           current_setting('transaction_read_only')::boolean AS "readOnly",
           ${journalExists} AS "journalExists"
      FROM settings`);
  const [row] = rows;
  if (row === undefined) throw new Error("the server returned no facts about the session");
  const { version, ...facts } = row;
  const serverVersion = Number(version);
  if (serverVersion < oldestServer) {
    throw new UserError(
      `PostgreSQL ${Math.floor(serverVersion / 10000)} is too old.`,
      ["The engine works with PostgreSQL 14 and newer."],
      "upgrade the server first",
    );
  }
  return { ...facts, serverVersion };
}

/** @throws UserError when nothing can be written through this session, before anything is tried. */
export function ensureWritable({ facts }: Session): void {
  if (facts.inRecovery) {
    throw new UserError(
      `The database ${facts.database} is a read-only standby.`,
      ["The server is in recovery: it replays another server's log."],
      "connect to the primary",
    );
  }
  if (facts.readOnly) {
    throw new UserError(
      `Sessions of ${facts.user} on ${facts.database} are read-only.`,
      ["default_transaction_read_only is on for this role or database."],
      `connect as the owner, or ALTER DATABASE ${facts.database} RESET default_transaction_read_only`,
    );
  }
}

/**
 * Brings the session back to a known state between files. DISCARD ALL also drops role and
 * search_path that the caller's session came with, so they are set again.
 */
export async function resetSession(session: Session): Promise<void> {
  const { client, facts, isReset } = session;
  // What follows may change it.
  session.isReset = false;
  if (isReset) return;
  session.generation = ++generations;
  session.hasHiddenCalls = true;
  const settings = `${sessionSettings(client, facts)}, ${hiddenCalls} AS hidden`;
  await together(
    client,
    () => client.query("DISCARD ALL"),
    async () => {
      const { rows } = await client.query<{ hidden: boolean }>(settings);
      session.hasHiddenCalls = rows[0]?.hidden !== false;
    },
  );
}

/** SQL: whether a schema change may call functions that it does not name. Built-in ones set nothing. */
const hiddenCalls = `(
  EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D')
  OR EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE contypid >= ${firstOwnOid})
  OR EXISTS (SELECT FROM pg_catalog.pg_operator WHERE oid >= ${firstOwnOid})
  OR EXISTS (SELECT FROM pg_catalog.pg_cast WHERE oid >= ${firstOwnOid}))`;

/** SQL that gives the rest of a transaction the rights the session came with, whatever a file has set. */
export function runnersRole({ client, facts }: Session): string {
  const role = facts.role === "none" ? "NONE" : client.escapeIdentifier(facts.role);
  return `SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE ${role}`;
}

/**
 * A client that a network has cut off cannot say so. Its session would hold its locks for two hours,
 * Linux's own limit; with these the server finds out within half a minute.
 */
export const keepalives = {
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "4",
};

/** What every statement of a file can rely on, whatever the role or the database prescribe. */
export function sessionSettings(client: Client, facts: SessionFacts): string {
  const settings = {
    role: facts.role,
    search_path: facts.searchPath,
    statement_timeout: "0",
    lock_timeout: "0",
    idle_in_transaction_session_timeout: "0",
    standard_conforming_strings: "on",
    client_min_messages: "warning",
    client_connection_check_interval: "0",
    row_security: "off",
    ...(facts.serverVersion >= 170000 ? { transaction_timeout: "0" } : {}),
    ...keepalives,
  };
  return setForSession(client, settings);
}

/** SQL that sets parameters until the session ends. */
export function setForSession(client: Client, settings: Readonly<Record<string, string>>): string {
  const calls = Object.entries(settings).map(
    ([name, value]) => `set_config('${name}', ${client.escapeLiteral(value)}, false)`,
  );
  return `SELECT ${calls.join(", ")}`;
}
