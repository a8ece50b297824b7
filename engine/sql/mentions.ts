import type { Node } from "libpg-query";
import { parse } from "./parser";
import {
  nameOf,
  nameOfParts,
  nodesIn,
  relationsIn,
  textsOf,
  type QualifiedName,
} from "./treeNames";

/** The names that a definition needs to be made, and those that it may meet later. */
export interface Mentions {
  /** Views and tables, and the types of their rows. */
  readonly relations: readonly QualifiedName[];
  readonly routines: readonly QualifiedName[];
  /**
   * What it may name: words of its texts, for a PL/pgSQL body looks most of its names up when it
   * runs, and what it has a WITH of the same name for.
   */
  readonly words: ReadonlySet<string>;
}

/** What a statement names; of a function in SQL that is a text, what the text names. */
export async function mentionsIn(tree: Node): Promise<Mentions> {
  const { language, body } = bodyOf(tree);
  const words = new Set(constantsIn(tree).flatMap(wordsOf));
  const trees = [tree];
  if (body !== undefined && language === "sql") {
    const parsed = await parse(body);
    if ("statements" in parsed) trees.push(...parsed.statements.map((one) => one.tree));
  } else if (body !== undefined) {
    for (const word of wordsOf(body)) words.add(word);
  }
  // In its own query, and before it, the name of a WITH is that of a view or table.
  for (const name of trees.flatMap((one) => [...namesOfWith(one)])) words.add(name);
  return {
    relations: trees.flatMap((one) => [...relationNames(one), ...typeNames(one)]),
    routines: trees.flatMap(routineNames),
    words,
  };
}

/** What a statement reads, without what only seems so for a WITH has that name. */
function relationNames(tree: Node): QualifiedName[] {
  const hidden = namesOfWith(tree);
  return relationsIn(tree)
    .map(nameOf)
    .filter(({ schema, name }) => schema !== undefined || !hidden.has(name));
}

function namesOfWith(tree: Node): ReadonlySet<string> {
  const expressions = nodesIn(
    tree,
    (node): node is { ctename: string } => "ctename" in node && "ctequery" in node,
  );
  return new Set(expressions.map(({ ctename }) => ctename));
}

function typeNames(tree: Node): QualifiedName[] {
  return nodesIn(
    tree,
    (node): node is { names: Node[]; typemod: number } => "names" in node && "typemod" in node,
  ).map(({ names }) => nameOfParts(names));
}

function routineNames(tree: Node): QualifiedName[] {
  const calls = nodesIn(tree, (node): node is { funcname: Node[] } => "funcname" in node);
  // The outermost is the name of the function itself, and maybe that of a namesake elsewhere.
  const called = "CreateFunctionStmt" in tree ? calls.slice(1) : calls;
  return called.map(({ funcname }) => nameOfParts(funcname));
}

function bodyOf(tree: Node): { language?: string; body?: string } {
  if (!("CreateFunctionStmt" in tree)) return {};
  const options = new Map(
    (tree.CreateFunctionStmt.options ?? []).flatMap((node) =>
      "DefElem" in node ? [[node.DefElem.defname ?? "", node.DefElem.arg] as const] : [],
    ),
  );
  const language = options.get("language");
  const as = options.get("as");
  const [body] = as !== undefined && "List" in as ? textsOf(as.List.items) : [];
  return {
    language: language !== undefined && "String" in language ? (language.String.sval ?? "") : "sql",
    ...(body === undefined ? {} : { body }),
  };
}

function constantsIn(tree: Node): string[] {
  return nodesIn(
    tree,
    (node): node is { sval: { sval: string } } =>
      "sval" in node && typeof node.sval === "object" && node.sval !== null && "sval" in node.sval,
  ).map(({ sval }) => sval.sval);
}

/** Names as PostgreSQL reads them: lower case, but for what stands in quotes. */
export function wordsOf(text: string): string[] {
  const found = text.matchAll(/"((?:[^"]|"")+)"|[\p{L}_][\p{L}\p{N}_$]*/gu);
  return [...found].map(
    ([word, inQuotes]) => inQuotes?.replaceAll('""', '"') ?? word.toLowerCase(),
  );
}
