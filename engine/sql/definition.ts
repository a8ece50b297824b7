import type { FunctionParameter, Node, TypeName } from "libpg-query";
import { nameOf, nameOfParts, partsOf, textsOf, type QualifiedName } from "./treeNames";

/** An object whose definition can be replaced as a whole, as a statement names it. */
export interface Definition {
  readonly kind: "view" | "routine" | "trigger";
  readonly name: QualifiedName;
  /** What tells a routine from its namesakes: the types of the arguments that go in. */
  readonly argumentTypes: readonly TypeName[];
  /** The table or view of a trigger. */
  readonly table?: QualifiedName;
}

/** An object that a statement is about; of a routine maybe without the types, where it is the only one. */
export interface Subject extends Omit<Definition, "argumentTypes"> {
  readonly argumentTypes: readonly TypeName[] | undefined;
}

/** What a statement defines, whether or not it may replace it; undefined for any other statement. */
export function definitionIn(tree: Node): Definition | undefined {
  if ("ViewStmt" in tree) {
    return { kind: "view", name: nameOf(tree.ViewStmt.view), argumentTypes: [] };
  }
  if ("CreateFunctionStmt" in tree) {
    const { funcname = [], parameters } = tree.CreateFunctionStmt;
    const types = parametersIn(parameters)
      .filter(({ mode = "" }) => !outOnly.has(mode))
      .flatMap(({ argType }) => argType ?? []);
    return { kind: "routine", name: nameOfParts(funcname), argumentTypes: types };
  }
  if ("CreateTrigStmt" in tree) {
    const { trigname: name = "", relation } = tree.CreateTrigStmt;
    return { kind: "trigger", name: { name }, argumentTypes: [], table: nameOf(relation) };
  }
  return undefined;
}

const outOnly = new Set(["FUNC_PARAM_OUT", "FUNC_PARAM_TABLE"]);

export function parametersIn(parameters: readonly Node[] = []): FunctionParameter[] {
  return parameters.flatMap((node) => ("FunctionParameter" in node ? node.FunctionParameter : []));
}

/** Whether a statement may be run again, and replaces what it made before. */
export function replaces(tree: Node): boolean {
  if ("ViewStmt" in tree) return tree.ViewStmt.replace === true;
  if ("CreateFunctionStmt" in tree) return tree.CreateFunctionStmt.replace === true;
  return "CreateTrigStmt" in tree && tree.CreateTrigStmt.replace === true;
}

/**
 * The objects that a GRANT, REVOKE, COMMENT or OWNER TO is about, of the kinds that can be replaced;
 * undefined where it is about anything else, or the statement is another one.
 */
export function subjectsOf(tree: Node): Subject[] | undefined {
  if ("GrantStmt" in tree) {
    const { targtype, objtype = "", objects = [] } = tree.GrantStmt;
    if (targtype !== "ACL_TARGET_OBJECT") return undefined;
    if (objtype === "OBJECT_TABLE") {
      return objects.flatMap((one) => ("RangeVar" in one ? viewOf(nameOf(one.RangeVar)) : []));
    }
    return routines.has(objtype) ? objects.flatMap(routineIn) : undefined;
  }
  if ("CommentStmt" in tree) {
    const { objtype = "", object } = tree.CommentStmt;
    if (object === undefined) return undefined;
    if (routines.has(objtype)) return routineIn(object);
    const parts = partsOf(object);
    if (objtype === "OBJECT_VIEW") return [viewOf(nameOfParts(parts))];
    if (objtype === "OBJECT_COLUMN") return [viewOf(nameOfParts(parts.slice(0, -1)))];
    if (objtype !== "OBJECT_TRIGGER") return undefined;
    const name = { name: textsOf(parts).at(-1) ?? "" };
    const table = nameOfParts(parts.slice(0, -1));
    return [{ kind: "trigger", name, table, argumentTypes: [] }];
  }
  if ("AlterOwnerStmt" in tree) {
    const { objectType = "", object } = tree.AlterOwnerStmt;
    return routines.has(objectType) && object !== undefined ? routineIn(object) : undefined;
  }
  if ("AlterTableStmt" in tree && tree.AlterTableStmt.objtype === "OBJECT_VIEW") {
    const { cmds = [], relation } = tree.AlterTableStmt;
    const isOwner = cmds.every(
      (cmd) => "AlterTableCmd" in cmd && cmd.AlterTableCmd.subtype === "AT_ChangeOwner",
    );
    return isOwner ? [viewOf(nameOf(relation))] : undefined;
  }
  return undefined;
}

const routines = new Set(["OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"]);

function viewOf(name: QualifiedName): Subject {
  return { kind: "view", name, argumentTypes: [] };
}

function routineIn(node: Node): Subject[] {
  if (!("ObjectWithArgs" in node)) return [];
  const { objname = [], objargs = [], args_unspecified: isBare } = node.ObjectWithArgs;
  const types = objargs.flatMap((one) => ("TypeName" in one ? one.TypeName : []));
  const argumentTypes = isBare === true ? undefined : types;
  return [{ kind: "routine", name: nameOfParts(objname), argumentTypes }];
}

/** A name without its schema may mean one that is written with it. */
export function mayBeSame(one: QualifiedName, other: QualifiedName): boolean {
  const isSchema =
    one.schema === undefined || other.schema === undefined || one.schema === other.schema;
  return one.name === other.name && isSchema;
}

/** For people: `view public.stock_list`. */
export function shownDefinition({ kind, name, table }: Omit<Definition, "argumentTypes">): string {
  const shown = ({ schema, name: last }: QualifiedName): string =>
    schema === undefined ? last : `${schema}.${last}`;
  const word = kind === "routine" ? "function" : kind;
  return `${word} ${shown(name)}${table === undefined ? "" : ` on ${shown(table)}`}`;
}
