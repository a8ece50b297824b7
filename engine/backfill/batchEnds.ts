import type { Client, QueryResult } from "pg";
import { UserError } from "../../userError";
import type { BackfillCursor, KeyValues } from "./backfillCursor";
import type { LiveSync } from "../sync/liveSync";

/** Well below PostgreSQL's deadlock_timeout of 1 s: nobody is cancelled for the backfill's sake. */
export const lockMilliseconds = 50;
/** How much larger than asked for a batch may be that was looked up before that was known. */
const mostTooLarge = 1.5;

/**
 * Where batches end.
 * @param size rows that are wanted, about
 * @returns the cursor as it is after the batch
 */
export type EndOfBatch = (cursor: BackfillCursor, size: number) => Promise<BackfillCursor>;

/**
 * Looks up the end of the batch after the one that is asked for, which is being filled meanwhile.
 * @param client of a session that does not fill
 */
export function endsAhead(client: Client, live: LiveSync): EndOfBatch {
  let ahead: { from: BackfillCursor; size: number; end: Promise<BackfillCursor> } | undefined;
  const look = (from: BackfillCursor, size: number) => {
    const end = endOf(client, live, from, size);
    // Told to whoever asks for it, if anybody does.
    end.catch(() => undefined);
    return { from, size, end };
  };
  return async (cursor, size) => {
    const known = ahead?.from === cursor && ahead.size <= size * mostTooLarge ? ahead : undefined;
    const { end } = known ?? look(cursor, size);
    // Where it has failed it is looked up anew.
    ahead = undefined;
    const moved = await end;
    if (!moved.finished) ahead = look(moved, size);
    return moved;
  };
}

/** The row that comes next, by its key and for people: `id 3`. */
export async function nextRow(
  client: Client,
  live: LiveSync,
  cursor: BackfillCursor,
): Promise<string> {
  const { position } = await endOf(client, live, cursor, 1);
  return live.table.key.map(({ name }, index) => `${name} ${position?.[index] ?? ""}`).join(", ");
}

/** The rows of a batch as a condition on `t`; undefined when there can be none. */
export function rangeOf(
  client: Client,
  live: LiveSync,
  cursor: BackfillCursor,
  end: BackfillCursor,
): string | undefined {
  if (end.position === null) return undefined;
  return `${afterOf(client, live, cursor)}${keyRow(client, live)} <= ${literalOf(client, live, end.position)}`;
}

async function endOf(
  client: Client,
  live: LiveSync,
  cursor: BackfillCursor,
  size: number,
): Promise<BackfillCursor> {
  const { table } = live;
  const { watermark } = cursor;
  if (watermark === null) return { ...cursor, finished: true };
  const names = table.key.map(({ name }) => `t.${client.escapeIdentifier(name)}`);
  const rest = `${table.sql} t WHERE ${afterOf(client, live, cursor)}${keyRow(client, live)} <= ${literalOf(client, live, watermark)}`;
  const batch = await ask<{ upper: KeyValues }>(
    client,
    `SELECT json_build_array(${names.map((name) => `${name}::text`).join(", ")}) AS upper
       FROM ${rest} ORDER BY ${names.join(", ")} LIMIT 1 OFFSET ${size - 1}`,
  );
  if (batch !== undefined) {
    return { ...cursor, position: batch.upper, seen: cursor.seen + size };
  }
  const left = await ask<{ count: number }>(
    client,
    `SELECT count(*)::float8 AS count FROM ${rest}`,
  );
  const seen = cursor.seen + (left?.count ?? 0);
  return { ...cursor, position: watermark, seen, finished: true };
}

/** The first row of a query that waits for the table no longer than a batch would. */
async function ask<T extends object>(client: Client, query: string): Promise<T | undefined> {
  // One message is one transaction.
  const results: unknown = await client.query(
    `SET LOCAL lock_timeout = ${lockMilliseconds}; ${query}`,
  );
  const [, result] = results as QueryResult<T>[];
  return result?.rows[0];
}

function keyRow(client: Client, { table }: LiveSync): string {
  return `ROW(${table.key.map(({ name }) => `t.${client.escapeIdentifier(name)}`).join(", ")})`;
}

function afterOf(client: Client, live: LiveSync, { position, lower }: BackfillCursor): string {
  const from = position ?? lower;
  if (from === null) return "";
  return `${keyRow(client, live)} > ${literalOf(client, live, from)} AND `;
}

function literalOf(client: Client, { table }: LiveSync, values: KeyValues): string {
  if (values.length !== table.key.length) {
    throw new UserError(
      `The key of ${table.shown} has changed while its rows were being filled.`,
      [`It has ${table.key.length} columns now, and had ${values.length}.`],
      "give the table back the key that it had, then run the same command again",
    );
  }
  const parts = values.map(
    (value, index) => `${client.escapeLiteral(value)}::${table.key[index]?.type ?? "text"}`,
  );
  return `ROW(${parts.join(", ")})`;
}
