import type { Client } from "pg";
import { readCatalogue, type Table } from "./catalogue";
import { withSnapshot } from "./snapshot";
import { scanSource, type TableScan, valueHash } from "./tableScan";

/**
 * The data fingerprint of a table: equal for equal rows in any order, on any server. Sums are
 * whole numbers as text, of any length.
 */
export interface TableFingerprint {
  readonly rows: number;
  /** Of the hashes that stand for the rows. */
  readonly keys: string;
  /** In the scan's order. */
  readonly columns: readonly ColumnFingerprint[];
}

export interface ColumnFingerprint {
  /** How many are not NULL. */
  readonly values: number;
  /** sum(hash(value, seed)) */
  readonly sum: string;
}

/** The rows of a column that are left out, by the hashes of their keys; by the column's index. */
export type Exempt = ReadonlyMap<number, readonly string[]>;

/** A select list may have 1,664 entries, and each column takes two. */
const columnsAtOnce = 800;

/**
 * Reads a table once, whatever the number of its columns.
 * @param client within withSnapshot
 */
export async function fingerprintTable(
  client: Client,
  scan: TableScan,
  exempt: Exempt = new Map(),
): Promise<TableFingerprint> {
  let fingerprint: TableFingerprint | undefined;
  const columns: ColumnFingerprint[] = [];
  do {
    const from = columns.length;
    const indexes = scan.columns.slice(from, from + columnsAtOnce).map((_, at) => from + at);
    fingerprint = await readFingerprint(client, scan, indexes, exempt);
    columns.push(...fingerprint.columns);
  } while (columns.length < scan.columns.length);
  return { ...fingerprint, columns };
}

async function readFingerprint(
  client: Client,
  scan: TableScan,
  indexes: readonly number[],
  exempt: Exempt,
): Promise<TableFingerprint> {
  const values: (readonly string[])[] = [];
  const counts: string[] = [];
  const sums: string[] = [];
  for (const index of indexes) {
    const keys = exempt.get(index);
    if (keys !== undefined) values.push(keys);
    const filter = keys === undefined ? "" : ` FILTER (WHERE ${isKept(values.length)})`;
    counts.push(`count(c${index + 1})${filter}`);
    sums.push(`coalesce(sum(${valueHash(scan, index)})${filter}, 0)::text`);
  }
  const { rows } = await client.query<{
    rows: string;
    keys: string;
    counts: string[];
    sums: string[];
  }>(
    `SELECT count(*) AS rows, coalesce(sum(k), 0)::text AS keys,
            ARRAY[${counts.join(", ")}]::text[] AS counts,
            ARRAY[${sums.join(", ")}]::text[] AS sums
       FROM ${scanSource(scan)}`,
    values,
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`no fingerprint came for ${scan.name}`);
  return {
    rows: Number(row.rows),
    keys: row.keys,
    columns: row.sums.map((sum, at) => ({ values: Number(row.counts[at]), sum })),
  };
}

/** Written so that PostgreSQL 14 looks the key up in a hash table too. */
export function isKept(parameter: number): string {
  return `(k = ANY($${parameter}::bigint[])) IS NOT TRUE`;
}

/** Reads every row of a table as it is, by its own key. */
export function wholeScan({ schema, name, isPartitioned, columns, key }: Table): TableScan {
  return { schema, name, isPartitioned, columns, key, without: null };
}

/**
 * The data fingerprints of a database in one snapshot, by the tables' names, and what it holds
 * that they do not cover.
 * @param client a connected session outside of any transaction
 */
export function fingerprintDatabase(client: Client): Promise<{
  tables: ReadonlyMap<string, TableFingerprint>;
  notCompared: readonly string[];
}> {
  return withSnapshot(client, async () => {
    const { tables, notCompared } = await readCatalogue(client);
    const fingerprints = new Map<string, TableFingerprint>();
    for (const table of tables) {
      fingerprints.set(table.shown, await fingerprintTable(client, wholeScan(table)));
    }
    return { tables: fingerprints, notCompared };
  });
}
