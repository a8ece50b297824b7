import type { Pace } from "../files/syncShape";
import type { SyncTable } from "./syncTable";

/** Rows that are wrong, and what is wrong with them. */
export interface SyncAudit {
  /** For people, like `do not convert` in "Rows of public.warehouses that do not convert: 3". */
  readonly problem: string;
  /** A condition on `t`. */
  readonly where: string;
  /** What sets them right, for people. */
  readonly way: string;
}

/** Nothing tells which side of such rows is right: a person decides. */
export const trustsOldSide =
  "correct the wrong side, or npm run migrations -- audit --repair trusts the old one";

/** A B-tree index that a sync needs, built concurrently. */
export interface SyncIndex {
  readonly table: SyncTable;
  readonly name: string;
  readonly isUnique: boolean;
  /** What it is of, each as SQL. */
  readonly elements: readonly string[];
}

/**
 * A sync.yaml on a live database: everything as SQL. `range` is a condition on the table's key,
 * with the table under the alias `t`.
 */
export interface LiveSync {
  readonly table: SyncTable;
  /** What is kept in step, for people. */
  readonly summary: string;
  /** Tables whose rows or triggers change, in the order in which they are locked: what is referred to first. */
  readonly locked: readonly SyncTable[];
  /** Built before the triggers. */
  readonly indexes: readonly SyncIndex[];
  /** Built once the rows are filled. */
  readonly laterIndexes: readonly SyncIndex[];
  /** Removes what `install` has made, as far as it is there. */
  readonly uninstall: readonly string[];
  /** Functions and triggers; runs after `uninstall`, in its transaction. */
  readonly install: readonly string[];
  /** What `install` has made, by table and trigger. */
  readonly triggers: readonly { readonly table: string; readonly name: string }[];
  /** Functions of the sync that every writer calls. */
  readonly calledByWriters: readonly string[];
  /** The columns that the backfill writes. */
  readonly filled: readonly string[];
  /** Columns that triggers of the application may change in the rows that are filled. */
  readonly touches: readonly string[];
  /** Sessions that fill at the same time. */
  readonly workers: number;
  /** How much of the server they leave to others. */
  readonly pace: Pace;
  /**
   * One statement that fills the rows of a range that disagree.
   * @param skipLocked leaves out rows that others hold
   */
  readonly fill: (range: string, skipLocked: boolean) => string;
  /** Brings a row of `t` that disagrees to what the old side says. */
  readonly mend: SyncMend;
  /** The columns that the release before writes, none where nothing is converted. */
  readonly old: readonly string[];
  /** A condition on `t`: the row is filled as far as it can be, and that is not at all. */
  readonly rejected: string;
  /** undefined where nothing is converted. */
  readonly rejects: "block" | "allow-null" | undefined;
  readonly audits: readonly SyncAudit[];
  /** A condition over `mend.from`, true of each row that any of the audits is about. */
  readonly suspect: string;
  /**
   * Added NOT VALID once the rows are filled, then validated: the table quoted, the name as it is.
   * From then on no writer can make a row wrong that was right.
   */
  readonly constraints: readonly {
    readonly table: string;
    readonly name: string;
    readonly definition: string;
  }[];
  readonly contract: SyncContract;
}

/** How a row that disagrees is found and set right. */
export interface SyncMend {
  /** What `t` has to be joined with, after FROM. */
  readonly from: string;
  /** A condition: the row disagrees. */
  readonly where: string;
  /** The values of `filled`, each as SQL over `from`. */
  readonly values: readonly string[];
  /** Whether the triggers leave alone what it writes, as they do for the backfill. */
  readonly isFilling: boolean;
}

/** What ends a sync: an archive of the old columns. */
export interface SyncContract {
  /** Made online before; each may be there already. `add` takes a short lock, `validate` scans. */
  readonly prepare: readonly {
    readonly table: string;
    readonly constraint: string;
    readonly add: string;
  }[];
  /** In the one short lock, before contract.sql: the old columns become optional. */
  readonly release: readonly string[];
  /** In the same lock, after contract.sql: the old columns are renamed. */
  readonly archive: readonly string[];
}

/** The key of a row of `t` as a json list of texts. */
export function keyOf({ key }: SyncTable, quote: (name: string) => string): string {
  return `json_build_array(${key.map(({ name }) => `t.${quote(name)}::text`).join(", ")})`;
}

/** The columns of a table's key under an alias, as a list. */
export function keyColumns(
  { key }: SyncTable,
  alias: string,
  quote: (name: string) => string,
): string {
  return key.map(({ name }) => `${alias}.${quote(name)}`).join(", ");
}

/** Columns of `t` by name, as one json object. */
export function jsonOf(columns: readonly string[], quote: (name: string) => string): string {
  const parts = columns.map((name) => `'${name.replace(/'/g, "''")}', t.${quote(name)}`);
  return `json_build_object(${parts.join(", ")})`;
}
