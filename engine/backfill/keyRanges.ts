import type { Client } from "pg";
import type { KeyValues } from "./backfillCursor";
import type { LiveSync } from "../sync/liveSync";

/** Below this a second worker costs more than it fills. */
const fewestRows = 10_000;
/** Transactions that share a range, at the most: each looks at all of it. */
const mostStripes = 4;
/** How well the key's order must follow the table's for pages to be filled as a whole. */
const leastCorrelation = 0.9;

/**
 * The last key of each worker's range; the very last is the watermark. [null] for an empty table.
 * Call after ANALYZE.
 */
export async function keyRanges(client: Client, live: LiveSync): Promise<(KeyValues | null)[]> {
  const { table } = live;
  const columns = table.key.map(({ name }) => client.escapeIdentifier(name));
  const keyAt = async (direction: "" | " DESC", offset: number): Promise<KeyValues | null> => {
    const { rows } = await client.query<{ key: KeyValues }>(
      `SELECT json_build_array(${columns.map((name) => `${name}::text`).join(", ")}) AS key
         FROM ${table.sql} ORDER BY ${columns.map((name) => `${name}${direction}`).join(", ")}
        LIMIT 1 OFFSET ${offset}`,
    );
    return rows[0]?.key ?? null;
  };
  const { rows } = await client.query<{ count: number }>(
    "SELECT greatest(reltuples, 0)::float8 AS count FROM pg_class WHERE oid = to_regclass($1)::oid",
    [table.sql],
  );
  const count = rows[0]?.count ?? 0;
  const parts = Math.max(1, Math.min(live.workers, Math.floor(count / fewestRows)));
  const watermark = await keyAt(" DESC", 0);
  const ends: (KeyValues | null)[] = [];
  for (let part = 1; part < parts; part++) {
    const end = await keyAt("", Math.floor((count * part) / parts));
    if (end !== null && end.join() !== watermark?.join()) ends.push(end);
  }
  return [...ends, watermark];
}

/**
 * In how many transactions a range is to be filled: several where a row that stays on its page
 * needs no entry in any index (HOT), which is where no index holds a column that is filled and
 * the key's order is the table's. The more indexes there are, the more each such row is worth.
 */
export async function stripesOf(client: Client, { table, filled }: LiveSync): Promise<number> {
  const { rows } = await client.query<{ indexed: boolean; indexes: number; correlation: number }>(
    `SELECT EXISTS (
              SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
               WHERE i.indrelid = c.oid AND a.attname = ANY ($2)
                 AND (a.attnum = ANY (i.indkey)
                      OR EXISTS (SELECT FROM pg_depend d
                                  WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                                    AND d.refobjid = c.oid AND d.refobjsubid = a.attnum))) AS indexed,
            (SELECT count(*)::int FROM pg_index i WHERE i.indrelid = c.oid AND i.indisready) AS indexes,
            (SELECT coalesce(max(abs(s.correlation)), 0)::float8 FROM pg_stats s
              WHERE s.schemaname = $3 AND s.tablename = $4 AND s.attname = $5) AS correlation
       FROM pg_class c WHERE c.oid = to_regclass($1)::oid`,
    [table.sql, filled, table.schema, table.name, table.key[0]?.name],
  );
  const [facts] = rows;
  if (facts === undefined || facts.indexed) return 1;
  return facts.correlation >= leastCorrelation ? Math.min(mostStripes, 1 + facts.indexes) : 1;
}
