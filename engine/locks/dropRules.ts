import type { DropStmt, Node, RenameStmt } from "libpg-query";
import { nameOf, nameOfList, nameOfParts, partsOf } from "../sql/treeNames";
import { lockDefault, lockReferencing } from "./alterTable";
import type { Findings } from "./findings";

/** DROP of tables and what belongs to them. */
export function dropped(statement: DropStmt, findings: Findings): void {
  const { objects = [], removeType = "", behavior, concurrent } = statement;
  const isCascade = behavior === "DROP_CASCADE";
  for (const object of objects) {
    if (removeType === "OBJECT_INDEX") {
      const table = findings.target(nameOfList(object))?.facts?.table ?? null;
      const mode = concurrent === true ? "SHARE UPDATE EXCLUSIVE" : "ACCESS EXCLUSIVE";
      findings.lockTree(findings.numbered(table), mode);
    } else if (belongingToTables.has(removeType)) {
      findings.lockTree(findings.target(tableOf(object)), "ACCESS EXCLUSIVE");
    } else if (relations.has(removeType)) {
      dropRelation(object, isCascade, findings);
    } else if (isCascade) {
      findings.unknown = "CASCADE drops whatever depends on it";
    }
  }
}

const relations = new Set([
  "OBJECT_TABLE",
  "OBJECT_VIEW",
  "OBJECT_MATVIEW",
  "OBJECT_SEQUENCE",
  "OBJECT_FOREIGN_TABLE",
]);
/** Named after their table: `table.trigger`. */
const belongingToTables = new Set(["OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"]);

function tableOf(object: Node) {
  return nameOfParts(partsOf(object).slice(0, -1));
}

/** The triggers of foreign keys sit on both tables; a partition's bounds are its parent's. */
function dropRelation(object: Node, isCascade: boolean, findings: Findings): void {
  const target = findings.target(nameOfList(object));
  if (target === undefined) return;
  findings.takesAway(target, "drop");
  findings.lockTree(target, "ACCESS EXCLUSIVE");
  for (const one of [target, ...findings.childrenOf(target)]) {
    for (const { references } of one.facts?.constraints ?? []) {
      findings.lock(findings.numbered(references), "ACCESS EXCLUSIVE");
    }
  }
  for (const parent of findings.parentsOf(target)) {
    findings.lock(parent, "ACCESS EXCLUSIVE");
    lockDefault(parent, findings);
  }
  if (isCascade) {
    lockReferencing(target, findings);
    findings.unknown = "CASCADE drops whatever depends on it";
  }
}

/** Renaming an index holds up nobody; anything else of a table does. */
export function renamed(statement: RenameStmt, findings: Findings): void {
  const { relation, renameType, subname } = statement;
  if (relation === undefined || renameType === "OBJECT_INDEX") return;
  const target = findings.target(nameOf(relation));
  if (target?.facts?.table) return;
  const isWhole = renameType === "OBJECT_TABLE";
  if (isWhole) findings.takesAway(target, "rename");
  else if (renameType === "OBJECT_COLUMN") findings.takesAway(target, "rename", subname);
  if (isWhole) findings.lock(target, "ACCESS EXCLUSIVE");
  else findings.lockTree(target, "ACCESS EXCLUSIVE");
}
