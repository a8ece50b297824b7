import type { Rewrite } from "../journal/rewrites";

/** How a statement is run. */
export type Decision =
  | { readonly way: "asWritten" }
  | { readonly way: "rewrite"; readonly rewrite: Rewrite }
  | {
      readonly way: "refuse";
      readonly why: string;
      readonly fix: string;
      /** Files that do it online, ready to be pasted. */
      readonly files?: readonly string[];
      /** How long others would wait, where that is not the statement's own length. */
      readonly stall?: string;
    };

/** Work under a strong lock that is not worth more care: about a lock_timeout's length. */
export const longestWorkSeconds = 0.2;

/** What a refusal tells people to write instead. */
export const waysOut = {
  partitionedIndex:
    "write CREATE INDEX ... ON ONLY the parent, CREATE INDEX CONCURRENTLY on each partition, and ALTER INDEX ... ATTACH PARTITION",
  rewrite: "write these files instead (docs/decisions/dual-write.md)",
  inPlace: "do it where it stands, at an hour when nobody works with the table",
  constraint:
    "add the column, the index or the NOT VALID constraint first, in a statement of its own",
  builtAnew:
    "drop the index before it with DROP INDEX CONCURRENTLY, and build it again behind it with CREATE INDEX CONCURRENTLY",
  reindex: "write REINDEX ... CONCURRENTLY",
  packed: "name the tables, each in a migration of its own, for an hour when nobody works with it",
  refresh:
    "write REFRESH MATERIALIZED VIEW CONCURRENTLY, for which the view needs a unique index of columns",
  domain:
    "write ADD CONSTRAINT ... CHECK ... NOT VALID, which holds for new values, and VALIDATE CONSTRAINT when nobody writes to these tables",
  batches:
    "fill a new column by sync.yaml (kind: fill), or change the rows in batches, in a DO block that commits after each",
  other: "do it when nobody works with the table",
};
