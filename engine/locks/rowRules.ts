import type { Node, RangeVar } from "libpg-query";
import { nameOf, nodesIn, relationsIn, textsOf } from "../sql/treeNames";
import type { Findings, Target } from "./findings";

interface RowStatement {
  readonly relation?: RangeVar;
  readonly whereClause?: Node;
  readonly selectStmt?: Node;
  readonly targetList?: Node[];
}

/** SELECT, INSERT, UPDATE, DELETE, MERGE, and those inside WITH. */
export function readsAndWrites(statement: object, findings: Findings): void {
  for (const relation of relationsIn(statement)) {
    findings.lock(findings.target(nameOf(relation)), "ACCESS SHARE");
  }
  const selects = nodesIn(
    statement,
    (node): node is { lockingClause: Node[]; fromClause?: Node[] } => {
      return "lockingClause" in node;
    },
  );
  for (const { fromClause } of selects) {
    for (const relation of relationsIn(fromClause)) {
      findings.lock(findings.target(nameOf(relation)), "ROW SHARE");
    }
  }
  const writes = nodesIn(statement, (node): node is RowStatement => {
    const isWrite = "relation" in node && ("targetList" in node || "whereClause" in node);
    return (
      isWrite ||
      "mergeWhenClauses" in node ||
      ("relation" in node && ("cols" in node || "selectStmt" in node || "override" in node))
    );
  });
  for (const write of writes) writeRows(write, findings);
  const targets = new Set(writes.map(({ relation }) => relation));
  const read = relationsIn(statement).filter((relation) => !targets.has(relation));
  if (isOpenEnded(statement, read, findings)) findings.isOpenEnded = true;
}

/** Rows that are looked at within a moment, each of one table with each of another at worst. */
const rowsOfAMoment = 100_000;

/** How long a query takes is not known where it calls what is not built in, or may join many rows. */
function isOpenEnded(tree: object, read: readonly RangeVar[], findings: Findings): boolean {
  if (findings.vocabulary.callsOwn(tree as Node)) return true;
  const targets = read.flatMap((one) => findings.target(nameOf(one)) ?? []);
  if (targets.some(({ isFilled, facts }) => isFilled || isOfUnknownSize(facts?.kind))) {
    return true;
  }
  const counts = targets.map((target) =>
    [target, ...findings.childrenOf(target)].reduce((sum, one) => sum + (one.facts?.rows ?? 0), 0),
  );
  return counts.reduce((product, rows) => product * Math.max(1, rows), 1) > rowsOfAMoment;
}

/** What a view reads, or another server holds, has no size here. */
export function isOfUnknownSize(kind: string | undefined): boolean {
  return kind === "v" || kind === "f";
}

function writeRows(write: RowStatement, findings: Findings): void {
  const { relation, whereClause, selectStmt } = write;
  const target = findings.target(nameOf(relation));
  if (target === undefined) return;
  findings.lockTree(target, "ROW EXCLUSIVE");
  for (const { type, references } of target.facts?.constraints ?? []) {
    if (type === "f") findings.lock(findings.numbered(references), "ROW SHARE");
  }
  if (selectStmt !== undefined) {
    insertRows(target, selectStmt, findings);
  } else if (whereClause === undefined || !isOneRow(whereClause, target)) {
    findings.does("write", target, "at most all of its rows are changed");
  }
}

function insertRows(target: Target, source: Node, findings: Findings): void {
  if ("SelectStmt" in source && source.SelectStmt.valuesLists !== undefined) return;
  const sizes = relationsIn(source).flatMap((one) => findings.target(nameOf(one))?.facts ?? []);
  const rows = Math.max(0, ...sizes.map((facts) => facts.rows));
  const bytes = Math.max(0, ...sizes.map((facts) => facts.bytes));
  if (rows > 0) findings.does("add", target, "rows of another table are added", { rows, bytes });
}

/** WHERE gives every column of a unique key one value. */
function isOneRow(where: Node, { facts }: Target): boolean {
  const fixed = columnsFixedBy(where);
  return (facts?.uniqueKeys ?? []).some(
    (key) => key.length > 0 && key.every((column) => fixed.includes(column)),
  );
}

function columnsFixedBy(where: Node): string[] {
  if ("BoolExpr" in where) {
    return where.BoolExpr.boolop === "AND_EXPR"
      ? (where.BoolExpr.args ?? []).flatMap(columnsFixedBy)
      : [];
  }
  if (!("A_Expr" in where) || where.A_Expr.kind !== "AEXPR_OP") return [];
  const { name, lexpr, rexpr } = where.A_Expr;
  if (textsOf(name).at(-1) !== "=" || lexpr === undefined || rexpr === undefined) return [];
  if (!("ColumnRef" in lexpr) || !("A_Const" in rexpr)) return [];
  return textsOf(lexpr.ColumnRef.fields).slice(-1);
}
