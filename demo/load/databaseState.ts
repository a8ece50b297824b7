import type { Client } from "pg";
import type { History, Receipt } from "./history";

/** A row as JSON, so that the columns may be those of either release. */
export type Row = Readonly<Record<string, unknown>>;

const tokensAtOnce = 5_000;

/** The receipts of a run's writes, by Idempotency-Key. */
export async function readReceipts(
  client: Client,
  { writes }: History,
): Promise<Map<string, Receipt>> {
  const receipts = new Map<string, Receipt>();
  for (let from = 0; from < writes.length; from += tokensAtOnce) {
    const tokens = writes.slice(from, from + tokensAtOnce).map(({ token }) => token);
    const { rows } = await client.query<{ token: string; receipt: Receipt }>(
      "SELECT token, receipt FROM applied_requests WHERE token = ANY ($1::uuid[])",
      [tokens],
    );
    for (const { token, receipt } of rows) receipts.set(token, receipt);
  }
  return receipts;
}

/** Every item that carries the run's mark, by id. */
export function readRows(client: Client, { mark }: History): Promise<Map<number, Row>> {
  return readById(client, "SELECT to_jsonb(i) AS row FROM inventory i WHERE name LIKE $1", [
    `%, lot ${mark}-%`,
  ]);
}

/** Every warehouse that carries the run's mark in whatever it is called, by id. */
export function readWarehouses(client: Client, { mark }: History): Promise<Map<number, Row>> {
  return readById(client, "SELECT to_jsonb(w) AS row FROM warehouses w WHERE w::text LIKE $1", [
    `%Smokehouse ${mark}-%`,
  ]);
}

async function readById(
  client: Client,
  query: string,
  values: readonly string[],
): Promise<Map<number, Row>> {
  const { rows } = await client.query<{ row: Row }>(query, [...values]);
  return new Map(rows.map(({ row }) => [Number(row.id), row]));
}
