import type { Statement } from "../sql/parser";
import type { LockMode } from "./lockMode";

/** A table, view or sequence that a statement locks. */
export interface TouchedRelation {
  /** As people see it: `public.orders`; as written when it does not exist yet. */
  readonly name: string;
  /** Its two halves; without a schema when it does not exist yet. */
  readonly schema: string;
  readonly relation: string;
  /** The same, quoted where SQL needs it. */
  readonly sql: string;
  /** null: it does not exist yet, for an earlier statement of this run makes it. */
  readonly oid: string | null;
  /** `pg_class.relkind`: r table, p partitioned table, v view, m materialized view, S sequence. */
  readonly kind: string;
  /** The strongest lock that the statement takes on it. */
  readonly mode: LockMode;
  /** Its partitions and heirs are locked with it; they are listed, too. */
  readonly withChildren: boolean;
  /** The planner's estimate; for a table that was never analysed, its size over 100 bytes. */
  readonly rows: number;
  readonly bytes: number;
  /** Made by this very run: nobody else uses it, so nothing done to it is dangerous. */
  readonly isNew: boolean;
}

/**
 * What a statement does to many rows:
 * - rewrite: writes the table anew
 * - scan: reads the whole table, to prove something
 * - index: reads the whole table and builds an index of it
 * - write: changes rows one by one; who wants to change one of them waits for the end
 * - add: adds rows, which nobody else knows yet
 */
export type WorkKind = "rewrite" | "scan" | "index" | "write" | "add";

export interface Work {
  readonly kind: WorkKind;
  readonly relation: string;
  /** The table itself, or the partitions that hold its rows. */
  readonly tables: readonly string[];
  /** Estimates; of a new table unknown and 0. */
  readonly rows: number;
  readonly bytes: number;
  /** For people: `column b becomes NOT NULL`. */
  readonly why: string;
  /** The constraint that is proved, when one is. */
  readonly validates?: string;
  readonly isNew: boolean;
  /** It is new, and this run has put rows into it that nobody has counted. */
  readonly isFilled: boolean;
  /** Another table, of before, that is locked meanwhile. */
  readonly locks?: string;
  /** Which of an ALTER TABLE's commands does it, from 0. */
  readonly command?: number;
}

/** A name of before that a statement takes away. */
export interface Loss {
  /** For people: `column a of public.orders`. */
  readonly what: string;
  readonly how: "drop" | "rename";
  /** For a whole table; without it, a column. */
  readonly table?: { readonly schema: string; readonly name: string };
}

/** What a statement will do, known before it runs. */
export interface StatementClass {
  readonly statement: Statement;
  readonly relations: readonly TouchedRelation[];
  readonly work: readonly Work[];
  /** Some relation that is not new is written anew. */
  readonly rewrite: boolean;
  /** Some relation that is not new is read as a whole: a scan, or for an index. */
  readonly scan: boolean;
  /** Estimated, see estimate.ts. */
  readonly seconds: number;
  /** How much of it others may have to wait for. */
  readonly stallSeconds: number;
  /** How long it takes does not follow from the sizes of tables. */
  readonly isOpenEnded: boolean;
  readonly takenAway: readonly Loss[];
  /** Why there may be more than is listed: what a DO block does stands in no parse tree. */
  readonly unknown?: string;
}
