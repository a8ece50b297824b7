import type { Placement } from "./faultyProxy";

/** A place in the work of a run where it may end. */
export interface Step {
  readonly name: string;
  /** Statements that must have come by, in order; the last one is the one that is hit. */
  readonly path: readonly RegExp[];
  readonly placement: Placement;
  /** Keeps a snapshot open meanwhile: what runs CONCURRENTLY waits for it. */
  readonly heldBySnapshot?: boolean;
}

const commit = /^COMMIT$/;
const noteRunning = /INSERT INTO stateful_cd\.steps[^]*'running'/;
const noteDone = /INSERT INTO stateful_cd\.steps[^]*'done'/;
const whole = /INSERT INTO stateful_cd\.migrations[^]*stateful_cd\.steps/;
const build = /^CREATE INDEX CONCURRENTLY/;
const moveCursor = /UPDATE stateful_cd\.backfills/;
const advance = /UPDATE stateful_cd\.migrations/;
const addTriggers = /CREATE TRIGGER/;
const archive = /RENAME COLUMN/;
const noteParts = /INSERT INTO stateful_cd\.rewrites/;
const countPart = /UPDATE stateful_cd\.rewrites/;
const endParts = /DELETE FROM stateful_cd\.rewrites/;
const attach = /^ALTER INDEX [^]*ATTACH PARTITION/;
const makeKey = /UNIQUE USING INDEX/;
const repeatableRow = /INSERT INTO stateful_cd\.repeatables/;

const at = (placement: Placement, name: string, ...path: RegExp[]): Step => ({
  name,
  path,
  placement,
});
const held = (name: string, ...path: RegExp[]): Step => ({
  ...at("inside", name, ...path),
  heldBySnapshot: true,
});

/** Every step boundary of a run, and inside what takes time. */
export const steps: readonly Step[] = [
  at("before", "lock-asked", /pg_try_advisory_lock/),
  at("after", "lock-taken", /pg_try_advisory_lock/),
  at("inside", "journal-created", /CREATE TABLE stateful_cd\.journal/),
  at("after", "run-begun", /WITH raised/),
  at("inside", "ddl", /^CREATE TABLE notes/),
  at("before", "ddl-journal-row", /^CREATE INDEX notes_body/, whole),
  at("before", "ddl-commit", whole, commit),
  at("after", "ddl-committed", whole, commit),
  at("inside", "update", /^UPDATE stock SET quantity/),
  at("before", "update-commit", /^UPDATE stock SET quantity/, whole, commit),
  at("after", "update-committed", /^UPDATE stock SET quantity/, whole, commit),
  at("after", "build-noted", noteRunning, commit),
  at("before", "build-begins", build),
  held("build", build),
  at("after", "build-acted", build),
  at("before", "build-journal-row", build, noteDone),
  at("after", "build-recorded", build, noteDone, commit),
  held("reindex", /^REINDEX INDEX CONCURRENTLY/),
  at("after", "reindex-acted", /^REINDEX INDEX CONCURRENTLY/),
  held("drop-index", /^DROP INDEX CONCURRENTLY/),
  at("after", "drop-index-acted", /^DROP INDEX CONCURRENTLY/),
  held("detach", /DETACH PARTITION/),
  at("after", "detach-acted", /DETACH PARTITION/),
  at("after", "enum-value-acted", /^ALTER TYPE mood ADD VALUE/),
  at("after", "vacuum-acted", /^VACUUM/),
  at("inside", "validate", /VALIDATE CONSTRAINT stock_quantity_check/),
  at("before", "validate-journal-row", /VALIDATE CONSTRAINT stock_quantity_check/, noteDone),
  at("inside", "triggers", addTriggers),
  at("before", "triggers-commit", addTriggers, advance, commit),
  at("after", "triggers-committed", addTriggers, advance, commit),
  at("after", "cursor-begun", /INSERT INTO stateful_cd\.backfills/, commit),
  at("inside", "batch", /^UPDATE [^]*stock\S* t SET/),
  at("before", "batch-commit", moveCursor, commit),
  at("after", "batch-committed", moveCursor, commit),
  at("inside", "second-batch", moveCursor, commit, moveCursor),
  at("after", "backfilled", moveCursor, advance, commit),
  at("before", "verified", moveCursor, advance, commit, advance),
  at("before", "parts-commit", noteParts, commit),
  at("after", "parts-noted", noteParts, commit),
  at("inside", "part-check", noteParts, /NOT VALID$/),
  at("before", "part-commit", countPart, commit),
  at("after", "part-committed", countPart, commit),
  at("inside", "part-validate", noteParts, /VALIDATE CONSTRAINT/),
  at("before", "parts-done", endParts, commit),
  at("after", "parts-recorded", endParts, commit),
  at("before", "part-parent-commit", /ON ONLY/, commit),
  held("part-build", noteParts, build),
  at("after", "part-build-acted", noteParts, build),
  at("before", "part-build-counted", noteParts, build, countPart),
  at("inside", "part-attach", attach),
  at("after", "part-attached", attach, commit),
  held("part-key-build", /^CREATE UNIQUE INDEX CONCURRENTLY/),
  at("before", "part-key-commit", makeKey, commit),
  at("after", "part-key-committed", makeKey, commit),
  at("after", "view-dropped", /^DROP VIEW/),
  at("inside", "view-made", /^DROP VIEW/, /^CREATE OR REPLACE VIEW/),
  at("before", "view-journal-row", repeatableRow),
  at("before", "view-commit", repeatableRow, commit),
  at("after", "view-committed", repeatableRow, commit),
  at("after", "schema-recorded", /INSERT INTO stateful_cd\.recorded_schema/, commit),
  at("after", "contract-noted", /'contracting'|stateful_cd\.files[^]*contract/, commit),
  at("inside", "archive", archive),
  at("before", "archive-commit", archive, advance, commit),
  at("after", "archive-committed", archive, advance, commit),
];

/** Tells for each statement in order whether it is the one that a step names. */
export function matcherOf({ path }: Step): (statement: string) => boolean {
  let seen = 0;
  return (statement) => {
    if (path[seen]?.test(statement) === true) seen++;
    return seen === path.length;
  };
}
