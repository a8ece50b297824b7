import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool, type PoolClient, type QueryResultRow, types } from "pg";
import { isConnectionLost, isRolledBackForOthers, UnknownOutcome } from "./databaseErrors";
import type { BackendSettings } from "./settings";

/** Runs one parameterised statement of the open transaction and returns its rows. */
export type Query = <Row extends QueryResultRow>(
  text: string,
  values: readonly unknown[],
) => Promise<Row[]>;

export type Work<T> = (query: Query) => Promise<T>;

export interface Database {
  /** Runs `work` in a read-only transaction, again if the connection fails. */
  read<T>(work: Work<T>): Promise<T>;
  /**
   * Runs `work` in a transaction, again if it certainly had no effect.
   * @param repeatable whether `work` may even run again when nobody knows if it was committed
   */
  write<T>(work: Work<T>, repeatable: boolean): Promise<T>;
  isReachable(): Promise<boolean>;
  close(): Promise<void>;
}

/** How long a request waits for a database that is being restarted, in milliseconds. */
const retryForMs = 5_000;
/** How long a success counts as a sign of life, in milliseconds. */
const freshMs = 2_000;

/**
 * What a transaction begins with. The time limits are part of it because a pooler in transaction mode
 * keeps no session state; idle_in_transaction frees what a frozen process would hold.
 */
const limits =
  "SET LOCAL statement_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '10s'";
const beginRead = `BEGIN READ ONLY; ${limits}`;
const beginWrite = `BEGIN; ${limits}`;

// bigint keys stay far below 2^53; date stays the text it is, since it belongs to no time zone.
types.setTypeParser(types.builtins.INT8, Number);
types.setTypeParser(types.builtins.DATE, String);

/**
 * The pool of one process, fit for PgBouncer in transaction mode: no named statements, nothing that
 * has to outlive a transaction.
 * @param onLost told of connections that break while nobody uses them
 */
export function openDatabase(settings: BackendSettings, onLost: (error: Error) => void): Database {
  const pool = new Pool({
    host: settings.DATABASE_HOST,
    port: settings.DATABASE_PORT,
    database: settings.DATABASE_NAME,
    user: settings.DATABASE_USER,
    password: async () => (await readFile(settings.DATABASE_PASSWORD_FILE, "utf8")).trimEnd(),
    application_name: `bbq-backend ${settings.RELEASE}`,
    max: settings.POOL_SIZE,
    connectionTimeoutMillis: 2_000,
    query_timeout: 7_000,
    maxLifetimeSeconds: 600,
    keepAlive: true,
  });
  // A connection may break between two statements of a transaction too, when only `client` can tell.
  pool.on("connect", (client) => client.on("error", onLost));
  pool.on("error", onLost);
  let lastSuccess = 0;

  async function persist<T>(begin: string, work: Work<T>, repeatable: boolean): Promise<T> {
    const deadline = Date.now() + retryForMs;
    for (let pause = 20; ; pause = Math.min(pause * 2, 400)) {
      try {
        const result = await withTransaction(pool, begin, work);
        lastSuccess = Date.now();
        return result;
      } catch (error) {
        const mayRepeat =
          isConnectionLost(error) ||
          isRolledBackForOthers(error) ||
          (repeatable && error instanceof UnknownOutcome);
        if (!mayRepeat || Date.now() + pause > deadline) throw error;
        await sleep(pause * (0.5 + Math.random()));
      }
    }
  }

  return {
    read: (work) => persist(beginRead, work, true),
    write: (work, repeatable) => persist(beginWrite, work, repeatable),
    async isReachable() {
      if (Date.now() - lastSuccess < freshMs) return true;
      try {
        await withTransaction(pool, beginRead, (query) => query("SELECT 1", []));
        return true;
      } catch (error) {
        onLost(error instanceof Error ? error : new Error(String(error)));
        return false;
      }
    },
    close: () => pool.end(),
  };
}

async function withTransaction<T>(pool: Pool, begin: string, work: Work<T>): Promise<T> {
  const client = await pool.connect();
  let committing = false;
  try {
    await client.query(begin);
    const result = await work((text, values) => runStatement(client, text, values));
    committing = true;
    await client.query("COMMIT");
    client.release();
    return result;
  } catch (error) {
    await giveBack(client, error);
    throw committing && isConnectionLost(error) ? new UnknownOutcome(error) : error;
  }
}

async function runStatement<Row extends QueryResultRow>(
  client: PoolClient,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> {
  const { rows } = await client.query<Row>(text, [...values]);
  return rows;
}

/** Returns a client whose transaction failed; one that cannot roll back is thrown away. */
async function giveBack(client: PoolClient, error: unknown): Promise<void> {
  if (isConnectionLost(error)) {
    client.release(true);
    return;
  }
  try {
    await client.query("ROLLBACK");
    client.release();
  } catch {
    client.release(true);
  }
}
