import type { Client } from "pg";
import { together } from "./together";

/** Whatever the role or the database prescribe. */
export const beginReadWrite = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/**
 * Runs `work` between BEGIN and COMMIT; rolls back when it throws.
 * @param last more work, whose queries are sent together with COMMIT: behind a failure PostgreSQL makes
 *   a ROLLBACK of it, so what must not be committed has to fail there, and not here
 */
export async function withTransaction<T>(
  client: Client,
  work: () => Promise<T>,
  begin = beginReadWrite,
  last: () => Promise<void> = () => Promise.resolve(),
): Promise<T> {
  try {
    // Its answer is awaited: behind a BEGIN that fails, whatever follows would be a transaction of its own.
    await client.query(begin);
    const result = await work();
    await together(client, last, () => client.query("COMMIT"));
    return result;
  } catch (error) {
    await rollback(client);
    throw error;
  }
}

/**
 * A transaction in one packet, which nobody waits for in the middle: for work that does nothing where
 * BEGIN has failed, and a setting that it makes is not there.
 */
export async function inOnePacket(
  client: Client,
  begin: string,
  ...works: readonly (() => Promise<void>)[]
): Promise<void> {
  await together(
    client,
    () => client.query(begin),
    ...works,
    () => client.query("COMMIT"),
  );
}

/** For everything that must not write: one snapshot for all of `work`. */
export function withReadOnlyTransaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  return withTransaction(client, work, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

/** Runs `work` in a transaction that leaves nothing, whatever happens. */
export async function withRolledBackTransaction<T>(
  client: Client,
  work: () => Promise<T>,
): Promise<T> {
  await client.query("BEGIN");
  try {
    return await work();
  } finally {
    await rollback(client);
  }
}

/** The same inside of a transaction, which goes on as if nothing had been. */
export async function withRolledBackSavepoint<T>(
  client: Client,
  work: () => Promise<T>,
): Promise<T> {
  await client.query("SAVEPOINT looking");
  try {
    return await work();
  } finally {
    await rollback(client, "ROLLBACK TO SAVEPOINT looking; RELEASE SAVEPOINT looking");
  }
}

/** What the server says of a session that is in no transaction. */
const idle = "I";

/** A connection that is gone has rolled back already; the error that matters is the first one. */
async function rollback(client: Client, sql = "ROLLBACK"): Promise<void> {
  // A COMMIT behind a failure was one already.
  if (client.getTransactionStatus() === idle) return;
  await client.query(sql).catch(() => undefined);
}
