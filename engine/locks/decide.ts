import type { IndexStmt, RangeVar } from "libpg-query";
import type { Client } from "pg";
import type { Rewrite } from "../journal/rewrites";
import type { withRolledBackTransaction } from "../session/transaction";
import { isConcurrentReindex } from "../sql/statement";
import { nameOf } from "../sql/treeNames";
import type { StatementClass, TouchedRelation, Work } from "./classification";
import { indexBuiltAnew } from "./alterTable";
import { domainUse, readsColumns } from "./domainUse";
import { secondsOf, shownRows, shownSeconds } from "./estimate";
import { isStrong } from "./lockMode";
import { onlineWay } from "./onlineWay";
import { rewriteAlterTable } from "./rewrite";
import { rewriteIndex } from "./rewriteIndex";
import { rewritePartitionedIndex } from "./rewritePartitionedIndex";
import { rowsWritten } from "./rowsWritten";

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

const asWritten: Decision = { way: "asWritten" };

/**
 * Decides about one statement. What others cannot work beside and what reads or writes a table with
 * rows is carried out another way where there is one, and refused where there is none.
 */
export async function decide(
  client: Client,
  found: StatementClass,
  undoing: typeof withRolledBackTransaction,
): Promise<Decision> {
  const unseen = await withoutTableLock(client, found, undoing);
  if (unseen !== undefined) return unseen;
  const heavy = heavyWork(found);
  if (heavy.length === 0 || heldBy(found) === undefined) return asWritten;
  const { tree } = found.statement;
  if ("IndexStmt" in tree) {
    const table = tableOf(found, tree.IndexStmt.relation);
    if (table === undefined) return unlessLong(found, waysOut.other);
    if (await isThere(client, tree.IndexStmt, table)) return asWritten;
    const rewrite =
      table.kind === "p"
        ? await rewritePartitionedIndex(client, found, tree.IndexStmt, table)
        : await rewriteIndex(client, found, tree.IndexStmt, table);
    return rewrite ? { way: "rewrite", rewrite } : unlessLong(found, waysOut.partitionedIndex);
  }
  if ("AlterTableStmt" in tree) {
    const byRewriting = heavy.find(({ kind }) => kind === "rewrite");
    const table = tableOf(found, tree.AlterTableStmt.relation);
    if (byRewriting !== undefined) {
      const files = table && (await onlineWay(client, found, table, byRewriting));
      const fix = files === undefined ? waysOut.inPlace : waysOut.rewrite;
      return { ...refusalOf(byRewriting, fix), ...(files === undefined ? {} : { files }) };
    }
    const byIndex = heavy.find(({ why }) => why.endsWith(indexBuiltAnew));
    if (byIndex !== undefined) return unlessLong(found, waysOut.builtAnew);
    const dangerous = new Set(heavy.flatMap(({ command }) => command ?? []));
    const rewrite =
      table && (await rewriteAlterTable(client, found, tree.AlterTableStmt, table, dangerous));
    return rewrite ? { way: "rewrite", rewrite } : unlessLong(found, waysOut.constraint);
  }
  if ("ReindexStmt" in tree) return refusalOf(heavy[0], waysOut.reindex);
  if ("RefreshMatViewStmt" in tree) {
    if (tree.RefreshMatViewStmt.concurrent === true) return asWritten;
    return found.isOpenEnded
      ? refusalOf(heavy[0], waysOut.refresh)
      : unlessLong(found, waysOut.refresh);
  }
  return unlessLong(found, waysOut.other);
}

const waysOut = {
  partitionedIndex:
    "write CREATE INDEX ... ON ONLY the parent, CREATE INDEX CONCURRENTLY on each partition, and ALTER INDEX ... ATTACH PARTITION",
  rewrite: "write these files instead (docs/decisions/dual-write.md)",
  inPlace: "do it where it stands, at an hour when nobody works with the table",
  constraint:
    "add the column, the index or the NOT VALID constraint first, in a statement of its own",
  builtAnew:
    "drop the index before it with DROP INDEX CONCURRENTLY, and build it again behind it with CREATE INDEX CONCURRENTLY",
  reindex: "write REINDEX ... CONCURRENTLY",
  refresh:
    "write REFRESH MATERIALIZED VIEW CONCURRENTLY, for which the view needs a unique index of columns",
  domain:
    "write ADD CONSTRAINT ... CHECK ... NOT VALID, which holds for new values, and VALIDATE CONSTRAINT when nobody writes to these tables",
  batches:
    "fill a new column by sync.yaml (kind: fill), or change the rows in batches, in a DO block that commits after each",
  other: "do it when nobody works with the table",
};

/** What others wait for without a lock on a table that the statement names. */
async function withoutTableLock(
  client: Client,
  found: StatementClass,
  undoing: typeof withRolledBackTransaction,
): Promise<Decision | undefined> {
  const { tree } = found.statement;
  if ("ReindexStmt" in tree && tree.ReindexStmt.relation === undefined) {
    const why = "It rebuilds one index after the other while nobody may write to its table.";
    return isConcurrentReindex(tree.ReindexStmt)
      ? asWritten
      : { way: "refuse", why, fix: waysOut.reindex };
  }
  if ("AlterDomainStmt" in tree && readsColumns(tree.AlterDomainStmt)) {
    const { tables, seconds } = await domainUse(client, tree.AlterDomainStmt);
    if (seconds <= longestWorkSeconds) return asWritten;
    const why = `It reads as a whole ${tables.join(", ")} while nobody may write to them.`;
    const stall = `Others would wait ${shownSeconds(seconds)} (an estimate)`;
    return { way: "refuse", why, fix: waysOut.domain, stall };
  }
  return manyRows(client, found, undoing);
}

/** Whoever wants to change a row that a statement has changed waits for the end of its transaction. */
async function manyRows(
  client: Client,
  found: StatementClass,
  undoing: typeof withRolledBackTransaction,
): Promise<Decision | undefined> {
  const work = found.work.find(({ kind, isNew }) => kind === "write" && !isNew);
  if (work === undefined || secondsOf(work) <= longestWorkSeconds) return undefined;
  const rows = Math.min(work.rows, (await rowsWritten(client, found, undoing)) ?? work.rows);
  const seconds = secondsOf({ ...work, rows, bytes: (work.bytes * rows) / Math.max(1, work.rows) });
  if (seconds <= longestWorkSeconds) return undefined;
  const why = `It changes many rows of ${work.relation} at once, and who wants to change one of them waits for its end.`;
  const stall = `About ${shownRows(rows)} rows: others would wait ${shownSeconds(seconds)} (an estimate)`;
  return { way: "refuse", why, fix: waysOut.batches, stall };
}

function unlessLong(found: StatementClass, fix: string): Decision {
  const heavy = heavyWork(found);
  const isShort = found.seconds <= longestWorkSeconds && !heavy.some(({ isFilled }) => isFilled);
  return isShort ? asWritten : refusalOf(heavy[0], fix);
}

function refusalOf(work: Work | undefined, fix: string): Decision {
  const { relation = "a table", locks = "it" } = work ?? {};
  const what = work?.kind === "rewrite" ? "writes anew" : "reads as a whole";
  const because = work === undefined ? "" : `: ${work.why}`;
  return {
    way: "refuse",
    why: `It ${what} ${relation} while nobody may use ${locks}${because}.`,
    fix,
  };
}

/**
 * Work on a table that has rows; if it is of this run, only while a table of before is locked. Rows
 * that are written lock nobody out.
 */
export function heavyWork({ work }: StatementClass): Work[] {
  return work.filter(
    ({ kind, isNew, isFilled, locks, bytes }) =>
      kind !== "write" && (isNew ? isFilled && locks !== undefined : bytes > 0),
  );
}

/** The first table of before that it locks so that applications have to wait. */
export function heldBy({ relations }: StatementClass): string | undefined {
  return relations.find(({ mode, isNew }) => !isNew && isStrong(mode))?.name;
}

/** IF NOT EXISTS, and it does: no work at all. One that a crash has left invalid does not count. */
async function isThere(
  client: Client,
  { if_not_exists: unlessExists, idxname = "" }: IndexStmt,
  { schema }: TouchedRelation,
): Promise<boolean> {
  if (unlessExists !== true) return false;
  const { rowCount } = await client.query(
    `SELECT FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
      WHERE relname = $1 AND relnamespace = to_regnamespace($2)::oid AND coalesce(indisvalid, true)`,
    [idxname, client.escapeIdentifier(schema)],
  );
  return rowCount === 1;
}

function tableOf(
  { relations }: StatementClass,
  named: RangeVar | undefined,
): TouchedRelation | undefined {
  const { schema, name } = nameOf(named);
  return relations.find(
    (found) => found.relation === name && (schema === undefined || found.schema === schema),
  );
}
