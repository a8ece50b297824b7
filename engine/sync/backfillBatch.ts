import { UserError } from "../../userError";
import { type BackfillCursor, type KeyValues, moveCursor } from "./backfillCursor";
import type { MigrationRun } from "../journal/fileContext";
import { withJournalTransaction } from "../journal/journalWriter";
import type { LiveSync } from "./liveSync";

/** Well below PostgreSQL's deadlock_timeout of 1 s: nobody is cancelled for the backfill's sake. */
const rowLockMilliseconds = 50;

export interface Batch {
  /** How many rows of the key's range. */
  readonly size: number;
  /** Leaves rows that others hold to a later pass instead of waiting for them. */
  readonly skipLocked: boolean;
}

/**
 * Fills the next rows by the key; rows and cursor are one transaction. At the end of a pass over
 * the table it starts another one if rows were left.
 * @returns the cursor after the batch
 */
export async function runBatch(
  { run, migration }: MigrationRun,
  live: LiveSync,
  cursor: BackfillCursor,
  { size, skipLocked }: Batch,
): Promise<BackfillCursor> {
  const { client } = run.session;
  const { table } = live;
  const names = table.key.map(({ name }) => client.escapeIdentifier(name));
  const key = `ROW(${names.map((name) => `t.${name}`).join(", ")})`;
  const literal = (values: KeyValues): string => literalOf(live, values, client.escapeLiteral);
  return withJournalTransaction(run, async () => {
    const moveTo = async (moved: BackfillCursor): Promise<BackfillCursor> => {
      await moveCursor(run, migration.id, moved);
      return moved;
    };
    if (cursor.watermark === null) return moveTo({ ...cursor, finished: true });
    await client.query(`SET LOCAL lock_timeout = ${rowLockMilliseconds}`);
    const after = cursor.position === null ? "" : `${key} > ${literal(cursor.position)} AND `;
    const rest = `${after}${key} <= ${literal(cursor.watermark)}`;
    const { rows } = await client.query<{ upper: KeyValues; count: number }>(
      `SELECT json_build_array(${names.map((_, index) => `b.k${index}::text`).join(", ")}) AS upper,
              b.n::int AS count
         FROM (SELECT ${names.map((name, index) => `t.${name} AS k${index}`).join(", ")},
                      row_number() OVER (ORDER BY ${names.map((name) => `t.${name}`).join(", ")}) AS n
                 FROM ${table.sql} t WHERE ${rest} ORDER BY ${names.join(", ")} LIMIT ${size}) b
        ORDER BY b.n DESC LIMIT 1`,
    );
    const [batch] = rows;
    if (batch !== undefined) {
      const range = `${after}${key} <= ${literal(batch.upper)}`;
      for (const statement of live.fill(range, skipLocked)) await client.query(statement);
      if (batch.count === size) {
        return moveTo({ ...cursor, position: batch.upper, seen: cursor.seen + batch.count });
      }
    }
    const { rowCount: left } = await client.query(
      `SELECT FROM ${table.sql} t WHERE ${key} <= ${literal(cursor.watermark)} AND ${live.pending} LIMIT 1`,
    );
    if (left !== 0) return moveTo({ ...cursor, seen: 0, position: null });
    return moveTo({
      ...cursor,
      position: batch?.upper ?? cursor.position,
      seen: cursor.seen + (batch?.count ?? 0),
      finished: true,
    });
  });
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
