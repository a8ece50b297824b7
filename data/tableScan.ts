import { escapeIdentifier } from "pg";
import type { Column } from "./catalogue";

/** How one side of a comparison reads a table. Both sides list the columns in the same order. */
export interface TableScan {
  readonly schema: string;
  readonly name: string;
  readonly isPartitioned: boolean;
  readonly columns: readonly Column[];
  /** Names among `columns`; null: the whole row stands for itself. */
  readonly key: readonly string[] | null;
  /** SQL over the table's columns: rows for which it is true are left out. */
  readonly without: string | null;
}

/**
 * The table as `scan`: k, the hash that stands for the row, and c1, c2, ... for the columns.
 * `predicates` become p1, p2, ...
 *
 * The seed of a value's hash is k: unseeded sums are blind to values that changed rows, and a key
 * put beside the value in one record misses most of them, because the hash of a record is linear
 * in those of its fields.
 */
export function scanSource(scan: TableScan, predicates: readonly string[] = []): string {
  const outputs = [
    `${keyHash(scan)} AS k`,
    ...scan.columns.map(({ name }, index) => `t.${escapeIdentifier(name)} AS c${index + 1}`),
    // Each on lines of its own: a comment in it must not swallow what follows.
    ...predicates.map((predicate, index) => `(\n${predicate}\n) IS TRUE AS p${index + 1}`),
  ];
  const only = scan.isPartitioned ? "" : "ONLY ";
  const table = `${escapeIdentifier(scan.schema)}.${escapeIdentifier(scan.name)}`;
  const where = scan.without === null ? "" : ` WHERE (\n${scan.without}\n) IS NOT TRUE`;
  // OFFSET 0 keeps the planner from computing k anew for every column.
  return `(SELECT ${outputs.join(", ")} FROM ${only}${table} AS t${where} OFFSET 0) AS scan`;
}

/** The seeded 64-bit hash of a column of scanSource; NULL for NULL. */
export function valueHash(scan: TableScan, index: number): string {
  const column = scan.columns[index];
  if (column === undefined) throw new Error(`the scan of ${scan.name} has no column ${index}`);
  const value = `c${index + 1}`;
  const seed = scan.key === null ? "0" : "k";
  // Counts the value itself: IS NOT NULL looks into a composite.
  if (column.hash === null) {
    return `CASE WHEN num_nonnulls(${value}) = 1 THEN ${textHash(value, seed)} END`;
  }
  if (column.hash === "hash_record_extended") {
    return `CASE WHEN ${value} IS NOT NULL THEN hash_record_extended(ROW(${value}), ${seed}) END`;
  }
  return `${column.hash}(${collated(value, column)}, ${seed})`;
}

/** The key's values as texts, for people; empty where the row stands for itself. */
export function keyTexts({ key, columns }: TableScan): string {
  const values = (key ?? []).map((name) => {
    return `concat(c${columns.findIndex((column) => column.name === name) + 1})`;
  });
  return `ARRAY[${values.join(", ")}]::text[]`;
}

function keyHash({ key, columns }: TableScan): string {
  if (key === null) {
    return textHash(`ROW(${columns.map(({ name }) => `t.${escapeIdentifier(name)}`).join(", ")})`);
  }
  const values = key.map((name) => {
    const column = columns.find((candidate) => candidate.name === name);
    const value = `t.${escapeIdentifier(name)}`;
    if (column === undefined || column.hash === null) return `concat(${value}) COLLATE "C"`;
    return collated(value, column);
  });
  return `hash_record_extended(ROW(${values.join(", ")}), 0)`;
}

/** concat() takes the type's own output, where a cast to text may trim or be anybody's function. */
function textHash(value: string, seed = "0"): string {
  return `hashtextextended(concat(${value}) COLLATE "C", ${seed})`;
}

function collated(value: string, { isCollatable }: Column): string {
  return isCollatable ? `${value} COLLATE "C"` : value;
}
