import type { Client } from "pg";

/** Runs `work` between BEGIN and COMMIT; rolls back when it throws. */
export async function withTransaction<T>(
  client: Client,
  work: () => Promise<T>,
  begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
): Promise<T> {
  let result: T;
  try {
    await client.query(begin);
    result = await work();
  } catch (error) {
    await rollback(client);
    throw error;
  }
  await client.query("COMMIT");
  return result;
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

/** A connection that is gone has rolled back already; the error that matters is the first one. */
async function rollback(client: Client, sql = "ROLLBACK"): Promise<void> {
  await client.query(sql).catch(() => undefined);
}
