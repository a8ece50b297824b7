import type { CreateStmt, IndexStmt, Node } from "libpg-query";
import { isConcurrentReindex } from "../sql/statement";
import { nameOf, relationsIn } from "../sql/treeNames";
import { alterTable, lockDefault } from "./alterTable";
import { constraintsOf } from "./columnChange";
import { dropped, renamed } from "./dropRules";
import { readsColumns } from "./domainUse";
import type { Findings } from "./findings";
import type { LockMode } from "./lockMode";
import { isOfUnknownSize, readsAndWrites } from "./rowRules";

/** The parser's tree of one kind of statement. */
export type Tree<K extends string> =
  Extract<Node, Record<K, unknown>> extends Record<K, infer T> ? T : never;
type Rule<K extends string> = (statement: Tree<K>, findings: Findings) => void;
type KindOf<N> = N extends unknown ? keyof N : never;
type Rules = { readonly [K in KindOf<Node>]?: Rule<K> };

/**
 * What each kind of statement locks and reads, beyond what every kind does: reading the tables it
 * names. Source: the "Notes" of each command in PostgreSQL's reference; compared with pg_locks by
 * a test. A kind that is missing locks no table.
 */
export const statementRules: Rules = {
  AlterTableStmt: alterTable,
  RenameStmt: renamed,
  AlterObjectSchemaStmt: ({ relation }, findings) => {
    if (relation) findings.lockTree(findings.target(nameOf(relation)), "ACCESS EXCLUSIVE");
  },
  DropStmt: dropped,
  TruncateStmt: ({ relations = [], behavior }, findings) => {
    const named = relationsIn(relations).flatMap((one) => findings.target(nameOf(one)) ?? []);
    for (const target of named) {
      findings.lockTree(target, "ACCESS EXCLUSIVE");
      if (behavior !== "DROP_CASCADE") continue;
      for (const oid of target.facts?.referencedBy ?? []) {
        findings.lockTree(findings.numbered(oid), "ACCESS EXCLUSIVE");
      }
    }
  },
  CreateStmt: createTable,
  IndexStmt: createIndex,
  ReindexStmt: (statement, findings) => {
    const { relation } = statement;
    const named = relation && findings.target(nameOf(relation));
    if (named === undefined) {
      findings.leavesOpen("it rebuilds the indexes of a whole schema or database");
      return;
    }
    const table = findings.numbered(named.facts?.table ?? null) ?? named;
    findings.lockTree(table, isConcurrentReindex(statement) ? "SHARE UPDATE EXCLUSIVE" : "SHARE");
    findings.does("index", table, "indexes are built anew");
  },
  CreateTrigStmt: onTable("SHARE ROW EXCLUSIVE"),
  RuleStmt: onTable("ACCESS EXCLUSIVE"),
  CreatePolicyStmt: ({ table }, findings) => {
    findings.lock(findings.target(nameOf(table)), "ACCESS EXCLUSIVE");
  },
  AlterPolicyStmt: ({ table }, findings) => {
    findings.lock(findings.target(nameOf(table)), "ACCESS EXCLUSIVE");
  },
  CreateStatsStmt: ({ relations }, findings) => {
    for (const one of relationsIn(relations)) {
      findings.lock(findings.target(nameOf(one)), "SHARE UPDATE EXCLUSIVE");
    }
  },
  CommentStmt: ({ objtype, object }, findings) => {
    if (object === undefined || !("List" in object)) return;
    const parts = object.List.items ?? [];
    const relations: Readonly<Record<string, number>> = {
      OBJECT_TABLE: parts.length,
      OBJECT_COLUMN: parts.length - 1,
      OBJECT_TABCONSTRAINT: parts.length - 1,
      OBJECT_TRIGGER: parts.length - 1,
    };
    const length = relations[objtype ?? ""];
    if (length === undefined) return;
    const isWeak = objtype === "OBJECT_TRIGGER" || objtype === "OBJECT_TABCONSTRAINT";
    findings.lock(
      findings.target(nameOfTexts(parts.slice(0, length))),
      isWeak ? "ACCESS SHARE" : "SHARE UPDATE EXCLUSIVE",
    );
  },
  VacuumStmt: ({ rels = [], options = [], is_vacuumcmd: isVacuum }, findings) => {
    const isFull = options.some(
      (option) => "DefElem" in option && option.DefElem.defname === "full",
    );
    if (rels.length === 0) findings.leavesOpen("it goes through all tables of the database");
    for (const one of relationsIn(rels)) {
      const target = findings.target(nameOf(one));
      findings.lock(target, isFull ? "ACCESS EXCLUSIVE" : "SHARE UPDATE EXCLUSIVE");
      if (isFull) findings.does("rewrite", target, "it is packed");
      else if (isVacuum === true) findings.does("scan", target, "dead rows are looked for");
    }
  },
  ClusterStmt: ({ relation }, findings) => {
    if (relation === undefined) findings.leavesOpen("it writes every clustered table anew");
    const target = relation && findings.target(nameOf(relation));
    findings.lock(target, "ACCESS EXCLUSIVE");
    findings.does("rewrite", target, "its rows are put in an index's order");
  },
  RefreshMatViewStmt: ({ relation, concurrent, skipData }, findings) => {
    const view = findings.target(nameOf(relation));
    findings.lock(view, concurrent === true ? "EXCLUSIVE" : "ACCESS EXCLUSIVE");
    const read = (view?.facts?.uses ?? []).flatMap((oid) => findings.numbered(oid) ?? []);
    for (const one of read) findings.lock(one, "ACCESS SHARE");
    // One that was never computed has no readers to hold up.
    if (skipData === true || view?.facts?.bytes === 0) return;
    findings.does("rewrite", view, "it is computed anew");
    for (const one of read) findings.does("scan", one, `${view?.name ?? "it"} is computed of it`);
    if (read.some(({ facts }) => isOfUnknownSize(facts?.kind))) findings.isOpenEnded = true;
  },
  LockStmt: ({ relations = [], mode = 0 }, findings) => {
    for (const one of relationsIn(relations)) {
      const target = findings.target(nameOf(one));
      const level = lockNumbers[mode] ?? "ACCESS EXCLUSIVE";
      if (one.inh === true) findings.lockTree(target, level);
      else findings.lock(target, level);
    }
  },
  ViewStmt: ({ view, replace }, findings) => {
    if (replace === true) findings.lock(findings.target(nameOf(view)), "ACCESS EXCLUSIVE");
  },
  AlterSeqStmt: ({ sequence }, findings) => {
    findings.lock(findings.target(nameOf(sequence)), "SHARE ROW EXCLUSIVE");
  },
  CreatePublicationStmt: ({ pubobjects }, findings) => {
    lockPublished(pubobjects, findings);
  },
  AlterPublicationStmt: ({ pubobjects }, findings) => {
    lockPublished(pubobjects, findings);
  },
  CopyStmt: ({ relation, is_from: isFrom }, findings) => {
    findings.isOpenEnded = true;
    if (isFrom === true) findings.lock(findings.target(nameOf(relation)), "ROW EXCLUSIVE");
  },
  InsertStmt: readsAndWrites,
  UpdateStmt: readsAndWrites,
  DeleteStmt: readsAndWrites,
  MergeStmt: readsAndWrites,
  SelectStmt: readsAndWrites,
  AlterDomainStmt: (statement, findings) => {
    if (readsColumns(statement)) {
      findings.leavesOpen("every table with a column of the domain is locked and read");
    }
  },
  DoStmt: (_statement, findings) => {
    findings.leavesOpen("what a DO block does is known when it runs");
  },
  CallStmt: (_statement, findings) => {
    findings.leavesOpen("what a procedure does is known when it runs");
  },
  ExecuteStmt: (_statement, findings) => {
    findings.leavesOpen("what a prepared statement does is known when it runs");
  },
  CreateTableAsStmt: ({ query, into }, findings) => {
    if (query === undefined) return;
    if ("ExecuteStmt" in query) {
      findings.leavesOpen("what a prepared statement does is known when it runs");
      return;
    }
    const isOpenEnded = findings.isOpenEnded;
    readsAndWrites(query, findings);
    if (into?.skipData === true) findings.isOpenEnded = isOpenEnded;
  },
};

/** LOCK TABLE's modes as the parser numbers them. */
const lockNumbers: Readonly<Partial<Record<number, LockMode>>> = {
  1: "ACCESS SHARE",
  2: "ROW SHARE",
  3: "ROW EXCLUSIVE",
  4: "SHARE UPDATE EXCLUSIVE",
  5: "SHARE",
  6: "SHARE ROW EXCLUSIVE",
  7: "EXCLUSIVE",
  8: "ACCESS EXCLUSIVE",
};

function nameOfTexts(parts: readonly Node[]): { schema?: string; name: string } {
  const names = parts.map((part) => ("String" in part ? (part.String.sval ?? "") : ""));
  const [last = "", schema] = names.reverse();
  return schema === undefined ? { name: last } : { schema, name: last };
}

function onTable(mode: LockMode) {
  return ({ relation }: { relation?: Parameters<typeof nameOf>[0] }, findings: Findings): void => {
    findings.lockTree(findings.target(nameOf(relation)), mode);
  };
}

function lockPublished(objects: unknown, findings: Findings): void {
  for (const one of relationsIn(objects)) {
    findings.lockTree(findings.target(nameOf(one)), "SHARE UPDATE EXCLUSIVE");
  }
}

/** A new table is free; what it refers to, belongs to or inherits from is not. */
function createTable(statement: CreateStmt, findings: Findings): void {
  const { inhRelations = [], partbound, tableElts = [], constraints = [] } = statement;
  for (const one of relationsIn(inhRelations)) {
    const parent = findings.target(nameOf(one));
    findings.lock(parent, partbound ? "ACCESS EXCLUSIVE" : "SHARE UPDATE EXCLUSIVE");
    const other = partbound && parent && lockDefault(parent, findings);
    if (other) findings.does("scan", other, "rows of the new partition are looked for");
    if (!partbound) continue;
    for (const { references } of parent?.facts?.constraints ?? []) {
      findings.lockTree(findings.numbered(references), "SHARE ROW EXCLUSIVE");
    }
  }
  for (const element of [...tableElts, ...constraints]) {
    const written =
      "ColumnDef" in element
        ? constraintsOf(element.ColumnDef)
        : "Constraint" in element
          ? [element.Constraint]
          : [];
    for (const { pktable } of written) {
      if (pktable) findings.lockTree(findings.target(nameOf(pktable)), "SHARE ROW EXCLUSIVE");
    }
    if ("TableLikeClause" in element) {
      const { relation } = element.TableLikeClause;
      findings.lock(findings.target(nameOf(relation)), "ACCESS SHARE");
    }
  }
}

function createIndex(statement: IndexStmt, findings: Findings): void {
  const { relation, concurrent, idxname } = statement;
  const target = findings.target(nameOf(relation));
  const mode = concurrent === true ? "SHARE UPDATE EXCLUSIVE" : "SHARE";
  if (relation?.inh === true) findings.lockTree(target, mode);
  else findings.lock(target, mode);
  const isOnly = target?.facts?.kind === "p" && relation?.inh !== true;
  if (!isOnly)
    findings.does("index", target, idxname === undefined ? "an index" : `index ${idxname}`);
}
