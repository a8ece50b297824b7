import type { IndexStmt, Node } from "libpg-query";
import type { Client } from "pg";
import { textsOf } from "../sql/treeNames";
import { chooseName } from "./objectNames";

/**
 * The name, quoted, that PostgreSQL itself gives to an index without one: `orders_customer_id_idx`.
 * @param taken names that are not in the catalog yet; the new one is added
 */
export async function chooseIndexName(
  client: Client,
  { indexParams = [], indexIncludingParams = [] }: IndexStmt,
  { schema, relation }: { readonly schema: string; readonly relation: string },
  taken = new Set<string>(),
): Promise<string> {
  const columns: string[] = [];
  for (const element of [...indexParams, ...indexIncludingParams]) {
    const wanted = "IndexElem" in element ? elementName(element.IndexElem) : "expr";
    let name = wanted;
    for (let times = 1; columns.includes(name); times++) name = `${wanted}${times}`;
    columns.push(name);
  }
  const name = await chooseName(client, { schema, relation, columns, label: "idx" }, taken);
  taken.add(name);
  return client.escapeIdentifier(name);
}

function elementName({ name, expr }: { name?: string; expr?: Node }): string {
  return name ?? figuredName(expr)?.name ?? "expr";
}

/** FigureColname in PostgreSQL's parse_target.c, as far as expressions of indexes go. */
function figuredName(
  expression: Node | undefined,
): { readonly name: string; readonly isStrong: boolean } | undefined {
  if (expression === undefined) return undefined;
  const strong = (name: string) => ({ name, isStrong: true });
  const last = (parts: Node[] | undefined): string => textsOf(parts).at(-1) ?? "expr";
  if ("ColumnRef" in expression) return strong(last(expression.ColumnRef.fields));
  if ("FuncCall" in expression) return strong(last(expression.FuncCall.funcname));
  if ("CoalesceExpr" in expression) return strong("coalesce");
  if ("A_ArrayExpr" in expression) return strong("array");
  if ("MinMaxExpr" in expression) {
    return strong(expression.MinMaxExpr.op === "IS_LEAST" ? "least" : "greatest");
  }
  if ("CollateClause" in expression) return figuredName(expression.CollateClause.arg);
  if ("TypeCast" in expression) {
    const { arg, typeName } = expression.TypeCast;
    const inner = figuredName(arg);
    return inner?.isStrong === true ? inner : { name: last(typeName?.names), isStrong: false };
  }
  if ("CaseExpr" in expression) {
    const inner = figuredName(expression.CaseExpr.defresult);
    return inner?.isStrong === true ? inner : { name: "case", isStrong: false };
  }
  if ("A_Expr" in expression && expression.A_Expr.kind === "AEXPR_NULLIF") return strong("nullif");
  return undefined;
}
