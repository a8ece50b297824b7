import type { Client } from "pg";
import { messageOf, sqlState, stateOf } from "../session/databaseErrors";
import type { MigrationFile } from "../files/migration";
import { excerpt } from "../sql/sourceText";
import { type ColumnSync, expressionsIn, type Sync } from "../files/syncFile";
import type { SyncTable } from "../sync/syncTable";

/** The indexes of a later hour, tried on an empty twin: they would fail after the whole backfill. */
export async function indexProblems(
  client: Client,
  { indexes }: Sync,
  table: SyncTable,
): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, elements] of Object.entries(indexes)) {
    await client.query("BEGIN");
    try {
      await client.query(`CREATE TABLE stateful_cd.sync_twin (LIKE ${table.sql})`);
      await client.query(`CREATE INDEX ON stateful_cd.sync_twin (${elements.join(", ")})`);
    } catch (error) {
      if (stateOf(error) === undefined) throw error;
      problems.push(`indexes.${name}: ${messageOf(error)}.`);
    } finally {
      await client.query("ROLLBACK");
    }
  }
  return problems;
}

/**
 * PostgreSQL's own judgement, on empty tables in a transaction that is rolled back: a stored
 * generated column must be immutable, and may use no column but those that are there.
 */
export async function expressionProblems(
  client: Client,
  file: MigrationFile,
  sync: ColumnSync,
  table: SyncTable,
): Promise<string[]> {
  const problems: string[] = [];
  const unknown: string[] = [];
  const columns = (names: readonly string[]): string =>
    names.map((name) => client.escapeIdentifier(name)).join(", ");
  for (const { key, text, offset } of expressionsIn(file)) {
    const [side = "", name = ""] = key.split(/\.(.*)/s);
    const type = table.columns.find((column) => column.name === name)?.type ?? "text";
    const from = side === "forward" ? sync.old : sync.new;
    await client.query("BEGIN; SET LOCAL search_path = pg_catalog, pg_temp");
    try {
      await client.query(
        `CREATE TABLE stateful_cd.sync_twin AS SELECT ${columns(from)} FROM ${table.sql} WITH NO DATA`,
      );
      await client.query(
        side === "forward"
          ? `ALTER TABLE stateful_cd.sync_twin ADD COLUMN stateful_cd_probe ${type}
               GENERATED ALWAYS AS (${text}\n) STORED`
          : `INSERT INTO stateful_cd.sync_twin (${columns(from.slice(0, 1))})
               SELECT NULL FROM (SELECT (${text}\n)::${type} FROM stateful_cd.sync_twin) probe`,
      );
    } catch (error) {
      if (stateOf(error) === undefined) throw error;
      problems.push(`${key}: ${messageOf(error)}.`, ...excerpt(file, offset));
      if (stateOf(error) === sqlState.undefinedColumn) {
        problems.push(`${side} sees ${from.join(", ")} of the same row, and no other column.`);
      }
      if (stateOf(error) === sqlState.undefinedFunction) unknown.push(messageOf(error));
    } finally {
      await client.query("ROLLBACK");
    }
  }
  return [...problems, ...(await schemasOf(client, unknown))];
}

/** Where the functions are that were not found: an expression names them with their schema. */
async function schemasOf(client: Client, messages: readonly string[]): Promise<string[]> {
  const names = messages.flatMap(
    (message) => /^function "?([^".( ]+)"?\(/.exec(message)?.[1] ?? [],
  );
  if (names.length === 0) return [];
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT format('%I.%I', n.nspname, p.proname) AS name
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE p.proname = ANY ($1) AND n.nspname <> 'stateful_cd' ORDER BY 1`,
    [names],
  );
  return rows.map(({ name }) => `Functions are named with their schema here: write ${name}.`);
}
