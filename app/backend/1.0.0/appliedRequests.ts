import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import * as z from "zod";
import { Problem } from "../../service/1.0.0/problem";
import type { Database, Query, Work } from "./database";

/** What a write answers: ids and quantities, never names, prices or contacts. */
export type Receipt = Record<string, number | Record<string, number>>;

/**
 * Runs a write exactly once for each Idempotency-Key: a repeat gets the receipt of the first time,
 * also when both arrive together. Without the header it is an ordinary write.
 */
export function writeOnce(
  database: Database,
  request: FastifyRequest,
  work: Work<Receipt>,
): Promise<Receipt> {
  const token = readToken(request);
  if (token === undefined) return database.write(work, false);
  const hash = hashRequest(request);
  return database.write(async (query) => {
    // A repeat that arrives while the first is under way waits here for its COMMIT or ROLLBACK.
    const claimed = await query(
      `INSERT INTO applied_requests (token, request_hash, receipt) VALUES ($1, $2, 'null')
       ON CONFLICT (token) DO NOTHING RETURNING token`,
      [token, hash],
    );
    if (claimed.length === 0) return findReceipt(query, token, hash);
    const receipt = await work(query);
    await query("UPDATE applied_requests SET receipt = $2 WHERE token = $1", [
      token,
      JSON.stringify(receipt),
    ]);
    return receipt;
  }, true);
}

/** Forgets receipts that nobody will ask for again, some at a time. */
export async function forgetOldReceipts(database: Database): Promise<void> {
  await database.write(
    (query) =>
      query(
        `DELETE FROM applied_requests WHERE token IN (
           SELECT token FROM applied_requests WHERE applied_at < now() - interval '7 days'
           ORDER BY applied_at LIMIT 10000)`,
        [],
      ),
    true,
  );
}

async function findReceipt(query: Query, token: string, hash: Buffer): Promise<Receipt> {
  const [earlier] = await query<{ request_hash: Buffer; receipt: Receipt }>(
    "SELECT request_hash, receipt FROM applied_requests WHERE token = $1",
    [token],
  );
  if (earlier?.request_hash.equals(hash) === true) return earlier.receipt;
  throw new Problem(
    422,
    "Idempotency-Key used before",
    "This Idempotency-Key belongs to another request. Use a new one for each change.",
  );
}

function hashRequest({ method, url, body }: FastifyRequest): Buffer {
  return createHash("sha256")
    .update(JSON.stringify([method, url, body]))
    .digest();
}

function readToken({ headers }: FastifyRequest): string | undefined {
  const header = headers["idempotency-key"];
  if (header === undefined) return undefined;
  const token = z.guid().safeParse(header);
  if (token.success) return token.data.toLowerCase();
  throw new Problem(400, "Bad request", "The header Idempotency-Key must be a UUID.", [
    { field: "Idempotency-Key", message: "must be a UUID" },
  ]);
}
