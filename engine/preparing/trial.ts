import type { Client } from "pg";
import type { ColumnSync } from "../files/syncFile";
import { expressionFunctions } from "../sync/expressions";
import type { SyncTable } from "../sync/syncTable";
import { trialFunction } from "./trialFunction";
import { trialCases, trialValuesOf } from "./trialValues";

const longestSeconds = 60;

/**
 * Makes, in the transaction that is open, all that a trial of the expressions needs.
 * @returns a query of what is wrong, at most one row for each place
 */
export async function prepareTrial(
  client: Client,
  sync: ColumnSync,
  table: SyncTable,
): Promise<string> {
  await client.query(
    `SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = '${longestSeconds}s'`,
  );
  const q = (name: string): string => client.escapeIdentifier(name);
  const quote = { name: q, text: (text: string) => client.escapeLiteral(text) };
  const own = (part: string): string => `stateful_cd.sync_trial${part}`;
  const functions = expressionFunctions(sync, table, own, quote);
  for (const statement of functions.create) await client.query(statement);
  await createTwin(client, table, own("_old"), sync.old);
  await createTwin(client, table, own("_new"), sync.new);
  await client.query(`ALTER TABLE ${own("_old")} ADD COLUMN stateful_cd_plain boolean`);
  await client.query(trialFunction(sync, table, own, functions, quote));
  const types = await typesOf(client, table, sync.old);
  const cases = trialCases(types.map(trialValuesOf));
  const json = JSON.stringify(cases.map(({ isPlain, values }) => [String(isPlain), ...values]));
  return `SELECT DISTINCT ON (place) place, kind, origin, given::text, written::text, got
            FROM ${own("")}(${client.escapeLiteral(json)}::jsonb)
                 WITH ORDINALITY AS found(place, kind, origin, given, written, got, turn)
           ORDER BY place, turn`;
}

/** A table of some columns, with the CHECKs that these columns alone have to meet. */
async function createTwin(
  client: Client,
  { sql, columns }: SyncTable,
  twin: string,
  kept: readonly string[],
): Promise<void> {
  const others = columns.filter(({ name }) => !kept.includes(name));
  await client.query(`CREATE TABLE ${twin} (LIKE ${sql} INCLUDING CONSTRAINTS)`);
  if (others.length === 0) return;
  const drops = others.map(({ name }) => `DROP COLUMN ${client.escapeIdentifier(name)} CASCADE`);
  await client.query(`ALTER TABLE ${twin} ${drops.join(", ")}`);
}

async function typesOf(client: Client, table: SyncTable, columns: readonly string[]) {
  const { rows } = await client.query<{ name: string; category: string; labels: string[] }>(
    `SELECT t.typname AS name, t.typcategory AS category,
            ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid
                   ORDER BY e.enumsortorder) AS labels
       FROM unnest($2::text[]) WITH ORDINALITY AS wanted(name, place)
       JOIN pg_attribute a ON a.attrelid = $1::regclass AND a.attname = wanted.name
       JOIN pg_type t ON t.oid = a.atttypid ORDER BY wanted.place`,
    [table.sql, columns],
  );
  return rows;
}
