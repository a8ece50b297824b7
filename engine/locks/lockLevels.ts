import type { Node } from "libpg-query";
import type { LockMode } from "./lockMode";

/** The lock of an ALTER TABLE command, and whether partitions and heirs get it too. */
export interface LockLevel {
  readonly mode: LockMode;
  readonly children: boolean;
}

/**
 * ALTER TABLE's commands that do not lock the table against everybody. All others take ACCESS
 * EXCLUSIVE. Source: https://www.postgresql.org/docs/current/sql-altertable.html, and
 * AlterTableGetLockLevel in PostgreSQL's tablecmds.c; compared with pg_locks by a test.
 */
const weakerCommands: Readonly<Record<string, LockMode>> = {
  AT_SetStatistics: "SHARE UPDATE EXCLUSIVE",
  AT_SetOptions: "SHARE UPDATE EXCLUSIVE",
  AT_ResetOptions: "SHARE UPDATE EXCLUSIVE",
  AT_ClusterOn: "SHARE UPDATE EXCLUSIVE",
  AT_DropCluster: "SHARE UPDATE EXCLUSIVE",
  AT_ValidateConstraint: "SHARE UPDATE EXCLUSIVE",
  AT_AttachPartition: "SHARE UPDATE EXCLUSIVE",
  AT_DetachPartitionFinalize: "SHARE UPDATE EXCLUSIVE",
  AT_EnableTrig: "SHARE ROW EXCLUSIVE",
  AT_EnableAlwaysTrig: "SHARE ROW EXCLUSIVE",
  AT_EnableReplicaTrig: "SHARE ROW EXCLUSIVE",
  AT_EnableTrigAll: "SHARE ROW EXCLUSIVE",
  AT_EnableTrigUser: "SHARE ROW EXCLUSIVE",
  AT_DisableTrig: "SHARE ROW EXCLUSIVE",
  AT_DisableTrigAll: "SHARE ROW EXCLUSIVE",
  AT_DisableTrigUser: "SHARE ROW EXCLUSIVE",
};

/** Commands that concern the one table named, and none of its partitions. */
const commandsOfOneTable = new Set([
  "AT_AttachPartition",
  "AT_ChangeOwner",
  "AT_ClusterOn",
  "AT_DetachPartition",
  "AT_DetachPartitionFinalize",
  "AT_DropCluster",
  "AT_ReplicaIdentity",
  "AT_ResetRelOptions",
  "AT_SetLogged",
  "AT_SetRelOptions",
  "AT_SetTableSpace",
  "AT_SetUnLogged",
  "AT_EnableRowSecurity",
  "AT_DisableRowSecurity",
  "AT_ForceRowSecurity",
  "AT_NoForceRowSecurity",
  "AT_AddInherit",
  "AT_DropInherit",
]);

/** Storage parameters that may change under writers: all but those of views and of logical decoding. */
const strongOptions = new Set(["user_catalog_table", "security_barrier", "security_invoker"]);

export function lockLevelOf(subtype: string, def: Node | undefined): LockLevel {
  return { mode: modeOf(subtype, def), children: !commandsOfOneTable.has(subtype) };
}

function modeOf(subtype: string, def: Node | undefined): LockMode {
  if (subtype === "AT_SetRelOptions" || subtype === "AT_ResetRelOptions") {
    const options = def !== undefined && "List" in def ? (def.List.items ?? []) : [];
    const isStrong = options.some(
      (option) => "DefElem" in option && strongOptions.has(option.DefElem.defname ?? ""),
    );
    return isStrong ? "ACCESS EXCLUSIVE" : "SHARE UPDATE EXCLUSIVE";
  }
  if (subtype === "AT_AddConstraint" && def !== undefined && "Constraint" in def) {
    return def.Constraint.contype === "CONSTR_FOREIGN" ? "SHARE ROW EXCLUSIVE" : "ACCESS EXCLUSIVE";
  }
  if (subtype === "AT_DetachPartition" && def !== undefined && "PartitionCmd" in def) {
    if (def.PartitionCmd.concurrent === true) return "SHARE UPDATE EXCLUSIVE";
  }
  return weakerCommands[subtype] ?? "ACCESS EXCLUSIVE";
}
