import type { Node, RangeVar } from "libpg-query";

/**
 * What takes a statement back: statements in the order in which they are run, none where nothing
 * has to be done. `undefined` where only its author knows: it changed what was there before, or may
 * have found there what it would have made.
 */
export type TakeBack = readonly string[] | undefined;

/** Takes back the statements of a file, given in their order. */
export function takeBackAll(nodes: readonly Node[]): TakeBack[] {
  const made = new Set(nodes.flatMap(madeBy));
  return nodes.map((node) => takeBackOf(node, made));
}

function takeBackOf(node: Node, made: ReadonlySet<string>): TakeBack {
  if ("TransactionStmt" in node || "VariableSetStmt" in node) return [];
  if ("CommentStmt" in node || "VacuumStmt" in node) return [];
  if ("AlterTableStmt" in node) return takeBackAlter(node.AlterTableStmt, made);
  if ("CreateFunctionStmt" in node) return takeBackFunction(node.CreateFunctionStmt);
  if ("IndexStmt" in node) {
    const { idxname, if_not_exists: mayExist, relation } = node.IndexStmt;
    if (idxname === undefined || mayExist === true) return undefined;
    return [`DROP INDEX ${inSchemaOf(relation, idxname)}`];
  }
  if ("CreateTrigStmt" in node) {
    const { trigname, relation, replace } = node.CreateTrigStmt;
    if (trigname === undefined || replace === true) return undefined;
    return [`DROP TRIGGER ${quote(trigname)} ON ${relationName(relation)}`];
  }
  const written = writtenBy(node);
  if (written !== undefined) return made.has(written) ? [] : undefined;
  if ("GrantStmt" in node) {
    const { is_grant: isGrant, objects = [] } = node.GrantStmt;
    return isGrant === true && objects.every((object) => made.has(objectName(object)))
      ? []
      : undefined;
  }
  return takeBackObject(node);
}

/** Objects with a name of their own. */
function takeBackObject(node: Node): TakeBack {
  if ("CreateStmt" in node) {
    const { relation, if_not_exists: mayExist } = node.CreateStmt;
    return mayExist === true ? undefined : [`DROP TABLE ${relationName(relation)}`];
  }
  if ("CreateTableAsStmt" in node) {
    const { into, objtype, if_not_exists: mayExist } = node.CreateTableAsStmt;
    if (mayExist === true) return undefined;
    const kind = objtype === "OBJECT_MATVIEW" ? "MATERIALIZED VIEW" : "TABLE";
    return [`DROP ${kind} ${relationName(into?.rel)}`];
  }
  if ("ViewStmt" in node) {
    const { view, replace } = node.ViewStmt;
    return replace === true ? undefined : [`DROP VIEW ${relationName(view)}`];
  }
  if ("CreateSeqStmt" in node) {
    const { sequence, if_not_exists: mayExist } = node.CreateSeqStmt;
    return mayExist === true ? undefined : [`DROP SEQUENCE ${relationName(sequence)}`];
  }
  if ("CreateSchemaStmt" in node) {
    const { schemaname, if_not_exists: mayExist, schemaElts = [] } = node.CreateSchemaStmt;
    if (schemaname === undefined || mayExist === true || schemaElts.length > 0) return undefined;
    return [`DROP SCHEMA ${quote(schemaname)}`];
  }
  if ("CreateEnumStmt" in node) return [`DROP TYPE ${listName(node.CreateEnumStmt.typeName)}`];
  if ("CompositeTypeStmt" in node) {
    return [`DROP TYPE ${relationName(node.CompositeTypeStmt.typevar)}`];
  }
  if ("CreateDomainStmt" in node) {
    return [`DROP DOMAIN ${listName(node.CreateDomainStmt.domainname)}`];
  }
  return undefined;
}

function takeBackAlter(
  statement: { relation?: RangeVar; cmds?: Node[]; objtype?: string; missing_ok?: boolean },
  made: ReadonlySet<string>,
): TakeBack {
  const { relation, cmds = [], objtype, missing_ok: mayMiss } = statement;
  if (objtype !== "OBJECT_TABLE" || mayMiss === true) return undefined;
  const drops: string[] = [];
  for (const command of cmds) {
    if (!("AlterTableCmd" in command)) return undefined;
    const { subtype, name = "", def, missing_ok: mayExist } = command.AlterTableCmd;
    if (subtype === "AT_ValidateConstraint") continue;
    // Of a new column it goes with the column.
    if (subtype === "AT_ColumnDefault" && made.has(columnName(relation, name))) continue;
    if (mayExist === true || def === undefined) return undefined;
    if (subtype === "AT_AddColumn" && "ColumnDef" in def) {
      drops.unshift(`DROP COLUMN ${quote(def.ColumnDef.colname ?? "")}`);
    } else if (
      subtype === "AT_AddConstraint" &&
      "Constraint" in def &&
      def.Constraint.conname !== undefined
    ) {
      drops.unshift(`DROP CONSTRAINT ${quote(def.Constraint.conname)}`);
    } else {
      return undefined;
    }
  }
  return drops.length === 0 ? [] : [`ALTER TABLE ${relationName(relation)} ${drops.join(", ")}`];
}

function takeBackFunction(statement: {
  is_procedure?: boolean;
  replace?: boolean;
  funcname?: Node[];
  parameters?: Node[];
}): TakeBack {
  const { is_procedure: isProcedure, replace, funcname, parameters = [] } = statement;
  if (replace === true) return undefined;
  const types: string[] = [];
  for (const parameter of parameters) {
    if (!("FunctionParameter" in parameter)) return undefined;
    const { argType, mode } = parameter.FunctionParameter;
    if (mode === "FUNC_PARAM_TABLE") continue;
    if (mode === "FUNC_PARAM_OUT" && isProcedure !== true) continue;
    if (argType === undefined || argType.pct_type === true) return undefined;
    types.push(listName(argType.names) + "[]".repeat(argType.arrayBounds?.length ?? 0));
  }
  const kind = isProcedure === true ? "PROCEDURE" : "FUNCTION";
  return [`DROP ${kind} ${listName(funcname)}(${types.join(", ")})`];
}

/** The table that a statement writes rows of. */
function writtenBy(node: Node): string | undefined {
  if ("InsertStmt" in node) return relationName(node.InsertStmt.relation);
  if ("UpdateStmt" in node) return relationName(node.UpdateStmt.relation);
  if ("DeleteStmt" in node) return relationName(node.DeleteStmt.relation);
  return undefined;
}

/** Names of new objects, as statements refer to them. */
function madeBy(node: Node): string[] {
  if ("CreateStmt" in node) return [relationName(node.CreateStmt.relation)];
  if ("CreateTableAsStmt" in node) return [relationName(node.CreateTableAsStmt.into?.rel)];
  if ("ViewStmt" in node) return [relationName(node.ViewStmt.view)];
  if ("CreateSeqStmt" in node) return [relationName(node.CreateSeqStmt.sequence)];
  if ("CreateSchemaStmt" in node) return [quote(node.CreateSchemaStmt.schemaname ?? "")];
  if ("CreateFunctionStmt" in node) return [listName(node.CreateFunctionStmt.funcname)];
  if ("AlterTableStmt" in node) {
    const { relation, cmds = [] } = node.AlterTableStmt;
    return cmds.flatMap((command) => {
      if (!("AlterTableCmd" in command)) return [];
      const { subtype, def, missing_ok: mayExist } = command.AlterTableCmd;
      const isNew = subtype === "AT_AddColumn" && mayExist !== true;
      return isNew && def !== undefined && "ColumnDef" in def
        ? [columnName(relation, def.ColumnDef.colname ?? "")]
        : [];
    });
  }
  return [];
}

/** No name of an object has a blank outside of its quotes. */
function columnName(relation: RangeVar | undefined, column: string): string {
  return `${relationName(relation)} ${quote(column)}`;
}

function objectName(node: Node): string {
  if ("RangeVar" in node) return relationName(node.RangeVar);
  if ("ObjectWithArgs" in node) return listName(node.ObjectWithArgs.objname);
  if ("List" in node) return listName(node.List.items);
  return listName([node]);
}

function relationName(relation: RangeVar | undefined): string {
  return inSchemaOf(relation, relation?.relname ?? "");
}

function inSchemaOf(relation: RangeVar | undefined, name: string): string {
  const schema = relation?.schemaname;
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

function listName(parts: readonly Node[] = []): string {
  return parts.map((part) => ("String" in part ? quote(part.String.sval ?? "") : "")).join(".");
}

function quote(name: string): string {
  return `"${name.replace(/"/g, '""')}"`;
}
