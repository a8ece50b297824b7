import { UserError } from "../../userError";
import { type BackfillCursor, type KeyValues, moveCursor } from "./backfillCursor";
import type { MigrationRun } from "../journal/fileContext";
import { sessionsPath, withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "../sync/liveSync";
import { setFilling } from "../sync/syncNames";
import { fillRange } from "./untouched";

/** Well below PostgreSQL's deadlock_timeout of 1 s: nobody is cancelled for the backfill's sake. */
export const rowLockMilliseconds = 50;

/**
 * A batch may be lost in a crash of the server, together with its cursor: the next run does it
 * again. What comes after the backfill waits for the disk, and all batches with it.
 */
const settings = [
  `SET LOCAL lock_timeout = ${rowLockMilliseconds}`,
  "SET LOCAL synchronous_commit = off",
  setFilling,
];

export interface Batch {
  /** How many rows of the key's range. */
  readonly size: number;
  /** Transactions that share the range: each takes some rows of every page. */
  readonly stripes: number;
  /** Leaves rows that others hold to be mended later instead of waiting for them. */
  readonly skipLocked: boolean;
}

/**
 * Fills the next rows by the key; rows and cursor are one transaction, the last of the batch's
 * stripes. Of a full page the first stripe's rows have to move, with an entry in every index each;
 * the room that they leave lets the later stripes' rows stay (HOT), without any.
 * @returns the cursor after the batch, and how long its longest transaction took, in milliseconds
 */
export async function runBatch(
  { run, migration }: MigrationRun,
  live: LiveSync,
  cursor: BackfillCursor,
  { size, stripes, skipLocked }: Batch,
): Promise<{ cursor: BackfillCursor; longest: number }> {
  const { client } = run.session;
  const quote = (text: string): string => client.escapeLiteral(text);
  const after = afterOf(live, cursor, quote, (name) => client.escapeIdentifier(name));
  let moved: BackfillCursor = cursor;
  let range = "";
  let longest = 0;
  for (let stripe = 1; stripe <= stripes; stripe++) {
    const started = Date.now();
    await withJournalTransaction(run, async () => {
      if (stripe === 1) {
        moved = await nextOf(client, live, cursor, after, size);
        const key = keyRow(live, (name) => client.escapeIdentifier(name));
        const upper = moved.position ?? [];
        if (upper.length > 0) range = `${after}${key} <= ${literalOf(live, upper, quote)}`;
      }
      if (range !== "") {
        const part =
          stripe === stripes ? "" : ` AND (t.ctid::text::point)[1]::int % ${stripes} = ${stripe}`;
        await fillRange(client, live, `${range}${part}`, skipLocked);
      }
      await moveCursor(run, migration.id, stripe === stripes ? moved : cursor);
    }, [...settings, sessionsPath(run.session)]);
    longest = Math.max(longest, Date.now() - started);
  }
  return { cursor: moved, longest };
}

/** The row that comes next, by its key and for people: `id 3`. */
export async function nextRow(
  { run }: MigrationRun,
  live: LiveSync,
  cursor: BackfillCursor,
): Promise<string> {
  const { client } = run.session;
  const after = afterOf(
    live,
    cursor,
    (text) => client.escapeLiteral(text),
    (name) => client.escapeIdentifier(name),
  );
  const { position } = await nextOf(client, live, cursor, after, 1);
  return live.table.key.map(({ name }, index) => `${name} ${position?.[index] ?? ""}`).join(", ");
}

/** Where the cursor will be after `size` more rows. */
async function nextOf(
  client: MigrationRun["run"]["session"]["client"],
  live: LiveSync,
  cursor: BackfillCursor,
  after: string,
  size: number,
): Promise<BackfillCursor> {
  const { table } = live;
  const { watermark } = cursor;
  if (watermark === null) return { ...cursor, finished: true };
  const quote = (name: string): string => client.escapeIdentifier(name);
  const names = table.key.map(({ name }) => `t.${quote(name)}`);
  const rest = `${table.sql} t WHERE ${after}${keyRow(live, quote)} <= ${literalOf(live, watermark, (text) => client.escapeLiteral(text))}`;
  const { rows } = await client.query<{ upper: KeyValues }>(
    `SELECT json_build_array(${names.map((name) => `${name}::text`).join(", ")}) AS upper
       FROM ${rest} ORDER BY ${names.join(", ")} LIMIT 1 OFFSET ${size - 1}`,
  );
  const [batch] = rows;
  if (batch !== undefined) {
    return { ...cursor, position: batch.upper, seen: cursor.seen + size };
  }
  const { rows: left } = await client.query<{ count: number }>(
    `SELECT count(*)::float8 AS count FROM ${rest}`,
  );
  const seen = cursor.seen + (left[0]?.count ?? 0);
  return { ...cursor, position: watermark, seen, finished: true };
}

function keyRow({ table }: LiveSync, quote: (name: string) => string): string {
  return `ROW(${table.key.map(({ name }) => `t.${quote(name)}`).join(", ")})`;
}

function afterOf(
  live: LiveSync,
  { position, lower }: BackfillCursor,
  quote: (text: string) => string,
  quoteName: (name: string) => string,
): string {
  const from = position ?? lower;
  if (from === null) return "";
  return `${keyRow(live, quoteName)} > ${literalOf(live, from, quote)} AND `;
}

function literalOf(
  { table }: LiveSync,
  values: KeyValues,
  quote: (text: string) => string,
): string {
  if (values.length !== table.key.length) {
    throw new UserError(
      `The key of ${table.shown} has changed while its rows were being filled.`,
      [`It has ${table.key.length} columns now, and had ${values.length}.`],
      "give the table back the key that it had, then run the same command again",
    );
  }
  const parts = values.map(
    (value, index) => `${quote(value)}::${table.key[index]?.type ?? "text"}`,
  );
  return `ROW(${parts.join(", ")})`;
}
