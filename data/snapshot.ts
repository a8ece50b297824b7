import type { Client } from "pg";

/** What a value's text and a row's visibility depend on, the same in every database compared. */
const settings = {
  search_path: "pg_catalog",
  datestyle: "ISO",
  intervalstyle: "postgres",
  timezone: "UTC",
  extra_float_digits: "1",
  bytea_output: "hex",
  lc_monetary: "C",
  // A policy that would hide rows raises instead.
  row_security: "off",
  // Many short expressions in one long scan: compiling them costs more than it saves.
  jit: "off",
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
};

/**
 * Runs `work` in one read-only snapshot, so that all tables are read as of one moment.
 * @param client a connected session outside of any transaction
 */
export async function withSnapshot<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    const calls = Object.entries(settings).map(([name, value]) => {
      return `set_config('${name}', '${value}', true)`;
    });
    // A parameter since PostgreSQL 17 only.
    const timeout = `CASE WHEN current_setting('server_version_num')::int >= 170000
                          THEN set_config('transaction_timeout', '0', true) END`;
    await client.query(`SELECT ${calls.join(", ")}, ${timeout}`);
    return await work();
  } finally {
    // Nothing was written. A connection that is gone has rolled back already, and its error matters.
    await client.query("ROLLBACK").catch(() => undefined);
  }
}
