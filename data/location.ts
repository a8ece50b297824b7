import type { Client } from "pg";
import type { TablePlan } from "./columnPairs";
import { isKept } from "./fingerprint";
import { keyTexts, scanSource, type TableScan, valueHash } from "./tableScan";

/** Where two tables differ, as some of the keys (`id=2`); nothing of any other column. */
export interface Location {
  /** Rows that both have and whose values differ. */
  readonly changed: readonly string[];
  readonly onlyInControl: readonly string[];
  readonly onlyInCandidate: readonly string[];
}

/** What is asked about: one column, without the rows in which it may differ. */
export interface Place {
  /** Index of the column; null asks for the rows themselves. */
  readonly column: number | null;
  /** Hashes of keys. */
  readonly exempt: readonly string[];
}

/** A part of a table: a bucket, or the rows with one key. */
interface Part {
  readonly part: string;
  readonly rows: number;
  /** Of the keys in it. */
  readonly keys: string;
  /** Of the values in it. */
  readonly values: string;
  readonly key: readonly string[];
}

const bucketOf = "(k & 4095)";
const locatedBuckets = 5;
const shownKeys = 5;
const longestKey = 80;

/**
 * Finds rows in which two tables with a key differ: first the buckets of the key's hash, then the
 * rows of a few of them.
 */
export async function locate(
  control: Client,
  candidate: Client,
  plan: TablePlan,
  place: Place,
): Promise<Location> {
  const readBoth = (part: string, within?: readonly string[]) =>
    Promise.all([
      readParts(control, plan.control, place, part, within),
      readParts(candidate, plan.candidate, place, part, within),
    ]);
  const buckets = differences(...(await readBoth(bucketOf)));
  // A bucket with the same keys holds changed values for certain; others may just lack a row.
  const rank = ([a, b]: Couple): number => (a?.keys === b?.keys ? 0 : 1);
  const chosen = buckets.sort((a, b) => rank(a) - rank(b)).slice(0, locatedBuckets);
  const within = chosen.flatMap(([a, b]) => (a ?? b)?.part ?? []);
  const rows = differences(...(await readBoth("k", within)));
  const shown = (isOf: (before: number, after: number) => boolean): string[] =>
    rows
      .filter(([a, b]) => isOf(a?.rows ?? 0, b?.rows ?? 0))
      .map(([a, b]) => nameKey(plan.control, (a ?? b)?.key ?? []))
      .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
      .slice(0, shownKeys);
  return {
    changed: shown((before, after) => before === after),
    onlyInControl: shown((before, after) => before > after),
    onlyInCandidate: shown((before, after) => before < after),
  };
}

type Couple = readonly [before: Part | undefined, after: Part | undefined];

function differences(before: readonly Part[], after: readonly Part[]): Couple[] {
  const was = new Map(before.map((part) => [part.part, part]));
  const is = new Map(after.map((part) => [part.part, part]));
  const names = new Set([...was.keys(), ...is.keys()]);
  return [...names]
    .map((name): Couple => [was.get(name), is.get(name)])
    .filter(([a, b]) => a?.rows !== b?.rows || a?.keys !== b?.keys || a?.values !== b?.values);
}

async function readParts(
  client: Client,
  scan: TableScan,
  { column, exempt }: Place,
  part: string,
  within?: readonly string[],
): Promise<Part[]> {
  const values =
    column === null ? "''" : `concat(count(c${column + 1}), ' ', sum(${valueHash(scan, column)}))`;
  const { rows } = await client.query<Omit<Part, "rows"> & { rows: string }>(
    `SELECT ${part}::text AS part, count(*) AS rows, sum(k)::text AS keys, ${values} AS values,
            ${within === undefined ? "'{}'::text[]" : `min(${keyTexts(scan)})`} AS key
       FROM ${scanSource(scan)}
      WHERE ${isKept(1)}${within === undefined ? "" : ` AND ${bucketOf} = ANY($2::bigint[])`}
      GROUP BY ${part} ORDER BY ${part}`,
    within === undefined ? [exempt] : [exempt, within],
  );
  return rows.map((row) => ({ ...row, rows: Number(row.rows) }));
}

function nameKey({ key }: TableScan, values: readonly string[]): string {
  const text = (key ?? []).map((name, index) => `${name}=${values[index] ?? ""}`).join(", ");
  const characters = Array.from(text);
  return characters.length <= longestKey ? text : `${characters.slice(0, longestKey).join("")}…`;
}
