import type { Node } from "libpg-query";
import type { Client } from "pg";
import type { withRolledBackTransaction } from "../session/transaction";
import { isConcurrentReindex } from "../sql/statement";
import type { StatementClass } from "./classification";
import { type Decision, longestWorkSeconds, waysOut } from "./decision";
import { domainUse, readsColumns } from "./domainUse";
import { secondsOf, shownRows, shownSeconds } from "./estimate";
import { rowsWritten } from "./rowsWritten";

/** What others wait for without a lock on a table that the statement names. */
export async function withoutTableLock(
  client: Client,
  found: StatementClass,
  undoing: typeof withRolledBackTransaction,
): Promise<Decision | undefined> {
  const { tree } = found.statement;
  if ("ReindexStmt" in tree && tree.ReindexStmt.relation === undefined) {
    const why = "It rebuilds one index after the other while nobody may write to its table.";
    return isConcurrentReindex(tree.ReindexStmt)
      ? { way: "asWritten" }
      : { way: "refuse", why, fix: waysOut.reindex };
  }
  if (packsAll(tree)) {
    const why = "It writes one table after the other anew while nobody may use it.";
    return { way: "refuse", why, fix: waysOut.packed };
  }
  if ("AlterDomainStmt" in tree && readsColumns(tree.AlterDomainStmt)) {
    const { tables, seconds } = await domainUse(client, tree.AlterDomainStmt);
    if (seconds <= longestWorkSeconds) return { way: "asWritten" };
    const why = `It reads as a whole ${tables.join(", ")} while nobody may write to them.`;
    const stall = `Others would wait ${shownSeconds(seconds)} (an estimate)`;
    return { way: "refuse", why, fix: waysOut.domain, stall };
  }
  return manyRows(client, found, undoing);
}

/** CLUSTER and VACUUM FULL without a table. */
function packsAll(tree: Node): boolean {
  if ("ClusterStmt" in tree) return tree.ClusterStmt.relation === undefined;
  if (!("VacuumStmt" in tree)) return false;
  const { rels = [], options = [] } = tree.VacuumStmt;
  return (
    rels.length === 0 && options.some((one) => "DefElem" in one && one.DefElem.defname === "full")
  );
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
