import type { Node, RangeVar } from "libpg-query";
import { nodesIn, textsOf } from "../sql/treeNames";

/**
 * Whether all that a statement does is to add constraints each of which is on a column that the same
 * file has added: PostgreSQL drops them with the column, under whatever name it gave them.
 * @param file all statements of the file
 */
export function goesWithNewColumns(statement: Node, file: readonly Node[]): boolean {
  if (!("AlterTableStmt" in statement)) return false;
  const { relation, cmds = [], objtype } = statement.AlterTableStmt;
  if (objtype !== "OBJECT_TABLE" || cmds.length === 0) return false;
  const added = columnsAddedTo(relation, file);
  return cmds.every((command) => {
    if (!("AlterTableCmd" in command)) return false;
    const { subtype, def } = command.AlterTableCmd;
    if (subtype !== "AT_AddConstraint" || def === undefined) return false;
    return constrainedBy(def).some((column) => added.has(column));
  });
}

function columnsAddedTo(table: RangeVar | undefined, file: readonly Node[]): ReadonlySet<string> {
  const added = new Set<string>();
  for (const node of file) {
    if (!("AlterTableStmt" in node)) continue;
    const { relation, cmds = [] } = node.AlterTableStmt;
    if (relation?.relname !== table?.relname || relation?.schemaname !== table?.schemaname)
      continue;
    for (const command of cmds) {
      if (!("AlterTableCmd" in command)) continue;
      const { subtype, def, missing_ok: mayExist } = command.AlterTableCmd;
      if (subtype !== "AT_AddColumn" || mayExist === true || def === undefined) continue;
      if ("ColumnDef" in def) added.add(def.ColumnDef.colname ?? "");
    }
  }
  return added;
}

/** Columns of a CHECK, a key or a foreign key; none for what is made of an index. */
function constrainedBy(definition: Node): string[] {
  if (!("Constraint" in definition)) return [];
  const { contype, keys, fk_attrs: referring, raw_expr: check } = definition.Constraint;
  if (contype === "CONSTR_CHECK" && check !== undefined) return columnsIn(check);
  if (contype === "CONSTR_FOREIGN") return textsOf(referring);
  return contype === "CONSTR_UNIQUE" || contype === "CONSTR_PRIMARY" ? textsOf(keys) : [];
}

function columnsIn(expression: Node): string[] {
  const references = nodesIn(
    expression,
    (node): node is { ColumnRef: { fields?: Node[] } } => "ColumnRef" in node,
  );
  return references.flatMap(({ ColumnRef: { fields } }) => textsOf(fields).slice(-1));
}
