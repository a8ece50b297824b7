import type { IndexStmt, RangeVar } from "libpg-query";
import type { Client } from "pg";
import type { withRolledBackTransaction } from "../session/transaction";
import { nameOf } from "../sql/treeNames";
import type { StatementClass, TouchedRelation, Work } from "./classification";
import { indexBuiltAnew } from "./alterTable";
import { type Decision, longestWorkSeconds, waysOut } from "./decision";
import { isStrong } from "./lockMode";
import { onlineWay } from "./onlineWay";
import { rewriteAlterTable } from "./rewrite";
import { rewriteIndex } from "./rewriteIndex";
import { rewritePartitionedIndex } from "./rewritePartitionedIndex";
import { withoutTableLock } from "./unseenWaits";

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
