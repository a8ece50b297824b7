import type { Digest } from "./digest";
import type { SourceText } from "../sql/sourceText";

export type Phase = "expand" | "sync" | "check" | "contract" | "abort" | "undo" | "repeatable";

/** One file of a migration, or of repeatable/. */
export interface MigrationFile extends SourceText {
  readonly phase: Phase;
  /** Relative to the migrations folder, with `/`: the file's name in the journal. */
  readonly path: string;
  /** The path as people see it in messages: with the folder as the caller wrote it. */
  readonly shownPath: string;
  /** The text with line ends normalised: what is run, hashed and kept in the journal. */
  readonly text: string;
  readonly digest: Digest;
}

/**
 * A migration: one plain file `0001-bookkeeper.sql` (its phase is `expand`), or a phased folder
 * `0003-warehouse-address/` with expand.sql and, if needed, sync.yaml, contract.sql, checks/*.sql,
 * abort.sql and undo.sql.
 */
export interface Migration {
  /** `0001-bookkeeper`: the name of the file without `.sql`, or of the folder. */
  readonly id: string;
  /** The number without leading zeros. */
  readonly number: string;
  readonly kind: "plain" | "phased";
  /** In the order of their phases, checks by name. */
  readonly files: readonly MigrationFile[];
  /** Of all files and their names. */
  readonly digest: Digest;
  /** policy.yaml allows it to come after later ones, where it is disjoint from them. */
  readonly mayBeLate: boolean;
}
