import type { Node } from "libpg-query";
import { nodesIn, relationsIn } from "./treeNames";

/** Statements that change the schema and nothing of their session. */
const schemaKinds = new Set([
  "AlterTableStmt",
  "CommentStmt",
  "CreateStmt",
  "DropStmt",
  "IndexStmt",
  "RenameStmt",
]);

/**
 * Whether a statement leaves its session as it was: role, settings, temporary tables. False where that
 * cannot be told: triggers and functions may set anything. Of those that run without being named here,
 * like event triggers, the session knows.
 */
export function keepsSession(tree: Node): boolean {
  const [kind = ""] = Object.keys(tree);
  if (!schemaKinds.has(kind)) return false;
  const isTemporary = relationsIn(tree).some(({ relpersistence }) => relpersistence === "t");
  return !isTemporary && nodesIn(tree, isCall).length === 0;
}

function isCall(node: object): node is { FuncCall: unknown } {
  return "FuncCall" in node;
}
