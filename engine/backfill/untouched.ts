import type { Client } from "pg";
import { UserError } from "../../userError";
import { printable } from "../sql/sourceText";
import { keyColumns, type LiveSync } from "../sync/liveSync";

/** Filling a row has changed more of it than sync.yaml says: a trigger of the application has. */
export class RowsTouched extends UserError {}

/** The condition under which a trigger of the application is to leave a fill alone. */
export const whenFilling = "current_setting('stateful_cd.filling', true) = 'on'";

interface TouchedRow {
  key: string[];
  before: Record<string, unknown>;
  after: Record<string, unknown>;
}

/**
 * Fills a range and proves, in the same statement, that every other column of each row is what it
 * was. An UPDATE changes nothing else by itself: there is something to prove only where a trigger
 * of the application sees the row first. That is exact while others write, where fingerprints of
 * two moments would differ by what they have written.
 *
 * What a trigger does to other rows or tables is not seen.
 * @param client in the batch's transaction, which is not to be kept when this throws
 */
export async function fillRange(
  client: Client,
  live: LiveSync,
  range: string,
  skipLocked: boolean,
): Promise<void> {
  const { table, filled, touches } = live;
  const fill = live.fill(range, skipLocked);
  if (table.updateTriggers.length === 0) {
    await client.query(fill);
    return;
  }
  const ignored = [...filled, ...touches, ...table.generated].map((name) =>
    client.escapeLiteral(name),
  );
  const rest = `to_jsonb(t) - ARRAY[${ignored.join(", ")}]::text[] AS rest`;
  const key = `ARRAY[${keyColumns(table, "t", (name) => client.escapeIdentifier(name))
    .split(", ")
    .map((column) => `${column}::text`)
    .join(", ")}] AS key`;
  // Counted first: all rows are looked at and held before the first of them is changed.
  const { rows } = await client.query<TouchedRow>(
    `WITH held AS MATERIALIZED (
       SELECT ${key}, ${rest} FROM ${table.sql} t WHERE ${range}
          FOR NO KEY UPDATE ${skipLocked ? "SKIP LOCKED" : ""}),
     changed AS (${fill} AND (SELECT count(*) FROM held) >= 0 RETURNING ${key}, ${rest})
     SELECT changed.key, held.rest AS before, changed.rest AS after
       FROM changed JOIN held ON held.key = changed.key
      WHERE held.rest IS DISTINCT FROM changed.rest ORDER BY 1 LIMIT 5`,
  );
  if (rows.length > 0) throw touchedBy(live, rows);
}

function touchedBy({ table }: LiveSync, rows: readonly TouchedRow[]): RowsTouched {
  const changes = rows.map(({ key, before, after }) => {
    const columns = Object.keys(after).filter(
      (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
    );
    const shown = columns.map(
      (name) => `${name} ${JSON.stringify(before[name])} becomes ${JSON.stringify(after[name])}`,
    );
    const place = table.key.map(({ name }, index) => `${name} ${key[index] ?? ""}`);
    const line = printable(`${place.join(", ")}: ${shown.join(", ")}`).slice(0, 300);
    return { columns, line };
  });
  const columns = [...new Set(changes.flatMap((change) => change.columns))].sort();
  return new RowsTouched(
    `Filling rows of ${table.shown} would change ${columns.join(", ")} too; the batch was not kept.`,
    [
      ...changes.map(({ line }) => line),
      `Triggers that see each row first: ${table.updateTriggers.join(", ")}.`,
    ],
    `write touches: [${columns.join(", ")}] into sync.yaml if that may be, or let the trigger do nothing WHEN (${whenFilling}); then run the same command again`,
  );
}
