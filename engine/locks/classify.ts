import type { Node } from "libpg-query";
import type { Client } from "pg";
import { quoted } from "../sql/catalogName";
import type { Statement } from "../sql/parser";
import {
  nameOf,
  nameOfParts,
  nodesIn,
  partsOf,
  relationsIn,
  type QualifiedName,
} from "../sql/treeNames";
import type { StatementClass } from "./classification";
import { secondsOf } from "./estimate";
import { Findings } from "./findings";
import { isStrong } from "./lockMode";
import { NewRelations } from "../sql/newRelations";
import { type Catalog, keyOfName, readCatalog } from "./relationFacts";
import { statementRules } from "./statementRules";
import { readVocabulary, type Vocabulary } from "./vocabulary";

/**
 * Tells what statements will do before they run: the tables they lock and how, what they rewrite,
 * read or write as a whole, and how long that takes. Reads the catalog in at most two round trips,
 * none when the statements only concern tables of this run; locks nothing and waits for nobody.
 * @param client a connected session with the search_path that the statements will have
 * @param newRelations what this run has made so far; what the statements make is added to it
 * @param isHeld whether tables of before are locked already when the first of them runs
 */
export async function classifyStatements(
  client: Client,
  statements: readonly Statement[],
  newRelations: NewRelations = new NewRelations(),
  isHeld = false,
): Promise<StatementClass[]> {
  const trees = statements.map(({ tree }) => tree);
  let catalog = await readCatalog(client, namesToLookUp(trees, newRelations));
  const vocabulary = await vocabularyFor(client, trees, catalog, isHeld);
  return statements.map((statement) => {
    const findings = new Findings(catalog, vocabulary, newRelations);
    findStatement(statement.tree, findings);
    newRelations.note(statement.tree, (name) => catalog.named(name) !== undefined);
    catalog = catalogAfter(statement.tree, catalog, (name) => quoted(client, name));
    return classOf(statement, findings);
  });
}

/** A table that a statement gives another name, or moves to another schema, keeps its rows and users. */
function catalogAfter(
  tree: Node,
  catalog: Catalog,
  sqlOf: (name: QualifiedName) => string,
): Catalog {
  if ("RenameStmt" in tree) {
    const { renameType, relation, newname = "" } = tree.RenameStmt;
    if (renameType !== "OBJECT_TABLE" && renameType !== "OBJECT_MATVIEW") return catalog;
    return catalog.moved(nameOf(relation), { name: newname }, sqlOf);
  }
  if ("AlterObjectSchemaStmt" in tree) {
    const { relation, newschema = "" } = tree.AlterObjectSchemaStmt;
    return relation ? catalog.moved(nameOf(relation), { schema: newschema }, sqlOf) : catalog;
  }
  return catalog;
}

function classOf(statement: Statement, findings: Findings): StatementClass {
  const { relations, work, unknown, isOpenEnded, takenAway } = findings;
  const known = work.filter(({ isNew }) => !isNew);
  const seconds = known.reduce((sum, one) => sum + secondsOf(one), 0);
  const isHeld = relations.some(({ mode, isNew }) => !isNew && isStrong(mode));
  return {
    statement,
    relations,
    work,
    rewrite: known.some(({ kind }) => kind === "rewrite"),
    scan: known.some(({ kind }) => kind === "scan" || kind === "index"),
    seconds,
    stallSeconds: isHeld ? seconds : 0,
    isOpenEnded,
    takenAway,
    ...(unknown === undefined ? {} : { unknown }),
  };
}

function findStatement(tree: Node, findings: Findings): void {
  const [kind, statement] = Object.entries(tree)[0] ?? [];
  const rule = statementRules[kind as keyof typeof statementRules] as
    ((statement: unknown, findings: Findings) => void) | undefined;
  rule?.(statement, findings);
  for (const query of queriesIn(tree)) {
    for (const relation of relationsIn(query)) {
      findings.lock(findings.target(nameOf(relation)), "ACCESS SHARE");
    }
  }
}

/** The query that a view reads with. */
function queriesIn(tree: Node): Node[] {
  return "ViewStmt" in tree && tree.ViewStmt.query ? [tree.ViewStmt.query] : [];
}

/** Every name in the trees that may be a relation outside of this run; too many do no harm. */
function namesToLookUp(trees: readonly Node[], newRelations: NewRelations): QualifiedName[] {
  const made = new NewRelations();
  const names = new Map<string, QualifiedName>();
  for (const tree of trees) {
    for (const name of namesIn(tree)) {
      if (newRelations.hasAsWritten(name) || made.hasAsWritten(name)) continue;
      if (isOwnName(tree, name)) continue;
      names.set(keyOfName(name), name);
    }
    made.note(tree, () => true);
  }
  return [...names.values()];
}

/** The table that CREATE TABLE makes, unless there may be one: PostgreSQL refuses it then. */
function isOwnName(tree: Node, name: QualifiedName): boolean {
  if (!("CreateStmt" in tree) || tree.CreateStmt.if_not_exists === true) return false;
  return keyOfName(nameOf(tree.CreateStmt.relation)) === keyOfName(name);
}

function namesIn(tree: Node): QualifiedName[] {
  const named = relationsIn(tree).map(nameOf);
  if ("DropStmt" in tree) {
    for (const object of tree.DropStmt.objects ?? []) {
      const parts = partsOf(object);
      named.push(nameOfParts(parts), nameOfParts(parts.slice(0, -1)));
    }
  }
  if ("CommentStmt" in tree && tree.CommentStmt.object) {
    const parts = partsOf(tree.CommentStmt.object);
    named.push(nameOfParts(parts), nameOfParts(parts.slice(0, -1)));
  }
  const schemaOf = named.find(({ name }) => name !== "")?.schema;
  for (const { indexname } of nodesIn(tree, isUsingIndex)) {
    named.push(
      schemaOf === undefined ? { name: indexname } : { schema: schemaOf, name: indexname },
    );
  }
  return named.filter(({ name }) => name !== "");
}

function isUsingIndex(node: object): node is { indexname: string; contype: string } {
  return "indexname" in node && "contype" in node;
}

/** Types and functions matter where a column is added to, or changed in, a table that has rows. */
function vocabularyFor(
  client: Client,
  trees: readonly Node[],
  catalog: Catalog,
  isHeld: boolean,
): Promise<Vocabulary> {
  const alters = trees.flatMap((tree) => ("AlterTableStmt" in tree ? [tree.AlterTableStmt] : []));
  const existing = alters.filter(({ relation }) => catalog.named(nameOf(relation)) !== undefined);
  const columns = existing.flatMap(({ cmds = [] }) =>
    cmds.filter((node) => {
      const subtype = "AlterTableCmd" in node ? node.AlterTableCmd.subtype : undefined;
      return subtype === "AT_AddColumn" || subtype === "AT_AlterColumnType";
    }),
  );
  const oldTypes = existing.flatMap(
    ({ relation }) => catalog.named(nameOf(relation))?.columns.map(({ type }) => type) ?? [],
  );
  const queries = isHeld ? trees.filter(isQuery) : laterQueries(trees, catalog);
  return readVocabulary(client, columns, [...new Set(oldTypes)], queries);
}

/** What is called matters where a table of before may be locked already. */
function laterQueries(trees: readonly Node[], catalog: Catalog): Node[] {
  const isKnown = (tree: Node) => namesIn(tree).some((name) => catalog.named(name) !== undefined);
  const first = trees.findIndex((tree) => !isQuery(tree) && isKnown(tree));
  return first === -1 ? [] : trees.slice(first + 1).filter(isQuery);
}

function isQuery(tree: Node): boolean {
  const [kind = ""] = Object.keys(tree);
  return queryKinds.has(kind);
}

const queryKinds = new Set([
  "SelectStmt",
  "InsertStmt",
  "UpdateStmt",
  "DeleteStmt",
  "MergeStmt",
  "CreateTableAsStmt",
]);
