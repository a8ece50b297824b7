import type { Node, RangeVar } from "libpg-query";
import { nameOf, nameOfList, nameOfParts, type QualifiedName } from "./treeNames";

/**
 * A statement that PostgreSQL refuses inside a transaction block, and with it what tells after a
 * crash whether it has taken effect:
 * - createIndex, dropIndex, detachPartition, addEnumValue, database, tablespace, subscription: the catalog
 * - reindex: it may be repeated once the invalid copies that it left are dropped
 * - repeat: repeating it does no harm (VACUUM, ALTER SYSTEM)
 * - parts: a statement that would hold a strong lock for long, carried out in parts by the journal
 * - unknown: nothing tells (a procedure that commits)
 */
export type AloneAction =
  | { readonly action: "createIndex"; readonly table: QualifiedName; readonly index: string }
  | { readonly action: "dropIndex"; readonly index: QualifiedName; readonly ifExists: boolean }
  | { readonly action: "reindex"; readonly relation?: QualifiedName }
  | {
      readonly action: "detachPartition";
      readonly table: QualifiedName;
      readonly partition: QualifiedName;
    }
  | { readonly action: "addEnumValue"; readonly type: QualifiedName; readonly value: string }
  | {
      readonly action: "object";
      readonly what: "database" | "tablespace" | "subscription";
      readonly name: string;
      readonly created: boolean;
    }
  | { readonly action: "repeat" }
  | { readonly action: "parts" }
  | { readonly action: "unknown" };

/** How a statement stands to transactions. */
export type Standing =
  | { readonly standing: "transaction" }
  | { readonly standing: "begin" | "commit" }
  | { readonly standing: "alone"; readonly alone: AloneAction }
  | { readonly standing: "refused"; readonly why: string; readonly fix: string };

export const inTransaction: Standing = { standing: "transaction" };

/** How this statement stands to transactions, from its parse tree alone. */
export function standingOf(node: Node): Standing {
  if ("TransactionStmt" in node) return standingOfTransaction(node.TransactionStmt);
  if ("CopyStmt" in node) {
    const { filename, is_from: isFrom } = node.CopyStmt;
    if (filename !== undefined) return inTransaction;
    return isFrom === true
      ? refused(
          "COPY FROM STDIN needs psql at the other end",
          "write the rows as INSERT INTO ... VALUES",
        )
      : refused(
          "COPY TO STDOUT needs psql at the other end",
          "remove it: a migration has no output",
        );
  }
  if ("DiscardStmt" in node) {
    return refused(
      "DISCARD would drop the engine's own settings",
      "remove it: every file starts fresh",
    );
  }
  const alone = aloneActionOf(node);
  if (alone === "unnamedIndex") {
    return refused(
      "an index that is built concurrently needs a name, or a crashed build could not be recognised",
      "CREATE INDEX CONCURRENTLY <name> ON ...",
    );
  }
  if (alone === "severalIndexes") {
    return refused("DROP INDEX CONCURRENTLY takes one index", "write one statement an index");
  }
  return alone === undefined ? inTransaction : { standing: "alone", alone };
}

function refused(why: string, fix: string): Standing {
  return { standing: "refused", why, fix };
}

function standingOfTransaction(statement: { kind?: string; chain?: boolean }): Standing {
  if (statement.chain === true) {
    return refused("AND CHAIN hides where a transaction ends", "write COMMIT; and BEGIN;");
  }
  switch (statement.kind) {
    case "TRANS_STMT_BEGIN":
    case "TRANS_STMT_START":
      return { standing: "begin" };
    case "TRANS_STMT_COMMIT":
      return { standing: "commit" };
    case "TRANS_STMT_SAVEPOINT":
    case "TRANS_STMT_RELEASE":
    case "TRANS_STMT_ROLLBACK_TO":
      return inTransaction;
    case "TRANS_STMT_ROLLBACK":
      return refused("ROLLBACK would undo what the journal records as done", "remove the block");
    case undefined:
    default:
      return refused("a migration cannot take part in a two-phase commit", "use BEGIN and COMMIT");
  }
}

function aloneActionOf(node: Node): AloneAction | "unnamedIndex" | "severalIndexes" | undefined {
  if ("IndexStmt" in node) {
    const { concurrent, idxname, relation } = node.IndexStmt;
    if (concurrent !== true) return undefined;
    if (idxname === undefined) return "unnamedIndex";
    return { action: "createIndex", table: nameOf(relation), index: idxname };
  }
  if ("DropStmt" in node) {
    const { concurrent, objects = [], missing_ok: ifExists = false } = node.DropStmt;
    if (concurrent !== true) return undefined;
    const [index, ...more] = objects.map(nameOfList);
    if (index === undefined || more.length > 0) return "severalIndexes";
    return { action: "dropIndex", index, ifExists };
  }
  if ("ReindexStmt" in node) return reindexAction(node.ReindexStmt);
  if ("AlterTableStmt" in node) return detachAction(node.AlterTableStmt);
  if ("AlterEnumStmt" in node) {
    const { typeName = [], newVal, oldVal } = node.AlterEnumStmt;
    if (newVal === undefined || oldVal !== undefined) return undefined;
    return { action: "addEnumValue", type: nameOfParts(typeName), value: newVal };
  }
  return clusterWideActionOf(node);
}

function clusterWideActionOf(node: Node): AloneAction | undefined {
  if ("VacuumStmt" in node) {
    return node.VacuumStmt.is_vacuumcmd === true ? { action: "repeat" } : undefined;
  }
  if ("AlterSystemStmt" in node) return { action: "repeat" };
  if ("ClusterStmt" in node) {
    return node.ClusterStmt.relation === undefined ? { action: "repeat" } : undefined;
  }
  const object = (
    what: "database" | "tablespace" | "subscription",
    name: string | undefined,
    created: boolean,
  ): AloneAction => ({ action: "object", what, name: name ?? "", created });
  if ("CreatedbStmt" in node) return object("database", node.CreatedbStmt.dbname, true);
  if ("DropdbStmt" in node) return object("database", node.DropdbStmt.dbname, false);
  if ("CreateTableSpaceStmt" in node) {
    return object("tablespace", node.CreateTableSpaceStmt.tablespacename, true);
  }
  if ("DropTableSpaceStmt" in node) {
    return object("tablespace", node.DropTableSpaceStmt.tablespacename, false);
  }
  return undefined;
}

function reindexAction(statement: {
  kind?: string;
  relation?: RangeVar;
  params?: Node[];
}): AloneAction | undefined {
  if (statement.relation === undefined) return { action: "reindex" };
  return isConcurrentReindex(statement)
    ? { action: "reindex", relation: nameOf(statement.relation) }
    : undefined;
}

/** REINDEX ... CONCURRENTLY. */
export function isConcurrentReindex({ params = [] }: { params?: Node[] }): boolean {
  return params.some(
    (parameter) => "DefElem" in parameter && parameter.DefElem.defname === "concurrently",
  );
}

function detachAction(statement: { relation?: RangeVar; cmds?: Node[] }): AloneAction | undefined {
  for (const command of statement.cmds ?? []) {
    if (!("AlterTableCmd" in command)) continue;
    const { subtype, def } = command.AlterTableCmd;
    if (subtype !== "AT_DetachPartition" || def === undefined || !("PartitionCmd" in def)) continue;
    if (def.PartitionCmd.concurrent !== true) continue;
    return {
      action: "detachPartition",
      table: nameOf(statement.relation),
      partition: nameOf(def.PartitionCmd.name),
    };
  }
  return undefined;
}
