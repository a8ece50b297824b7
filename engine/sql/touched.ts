import type { Node } from "libpg-query";
import { parseTrees } from "./parser";

/**
 * What SQL touches, by names alone: two spellings of one object, with its schema and without, must
 * not pass for two.
 */
export interface Touched {
  /** Tables, views, indexes and sequences that it names, to read or to write. */
  readonly relations: ReadonlySet<string>;
  /** Types, schemas and the like that it creates, changes or drops. */
  readonly made: ReadonlySet<string>;
  /** Every other name and text in it: a type, a function, a schema, 'stock_id_seq'. */
  readonly words: ReadonlySet<string>;
  /** The first statement, from 1, whose text does not tell all that it touches. */
  readonly untold?: number;
}

/** Statements that touch what they name and nothing else. */
const telling = new Set([
  ...["CreateStmt", "AlterTableStmt", "IndexStmt", "DropStmt", "RenameStmt", "CommentStmt"],
  ...["InsertStmt", "UpdateStmt", "DeleteStmt", "TruncateStmt", "ViewStmt", "CreateTableAsStmt"],
  ...[
    "CreateEnumStmt",
    "AlterEnumStmt",
    "CompositeTypeStmt",
    "CreateDomainStmt",
    "CreateStatsStmt",
  ],
  ...["CreateSeqStmt", "AlterSeqStmt", "CreateSchemaStmt", "CreateTrigStmt", "GrantStmt"],
  ...["CreatePolicyStmt", "AlterPolicyStmt", "ReindexStmt", "TransactionStmt"],
]);

/** Where a statement keeps the name of what it makes, unless that is a relation. */
const madeIn = ["typeName", "domainname", "objects", "object", "defnames", "schemaname", "newname"];

/** What a text touches, by PostgreSQL's parser alone; the text must parse. */
export async function touchedBy(text: string): Promise<Touched> {
  const relations = new Set<string>();
  const made = new Set<string>();
  const words = new Set<string>();
  let untold: number | undefined;
  (await parseTrees(text)).forEach((tree, index) => {
    const [[kind, statement] = ["", {}]] = Object.entries(tree) as [string, object][];
    const isTold = telling.has(kind) && !JSON.stringify(tree).includes('"DROP_CASCADE"');
    if (!isTold) untold ??= index + 1;
    collect(tree, relations, words);
    const names = Object.entries(statement).filter(([key]) => madeIn.includes(key));
    for (const [, name] of names) for (const part of lastNames(name)) made.add(part);
  });
  return { relations, made, words, ...(untold === undefined ? {} : { untold }) };
}

/** A name that both touch in a way that may matter; undefined when they are disjoint. */
export function sharedBy(a: Touched, b: Touched): string | undefined {
  const isIn = (...sets: ReadonlySet<string>[]) => {
    return (name: string) => sets.some((set) => set.has(name));
  };
  return (
    [...a.relations].find(isIn(b.relations, b.made, b.words)) ??
    [...a.made].find(isIn(b.relations, b.made, b.words)) ??
    [...a.words].find(isIn(b.relations, b.made))
  );
}

function collect(node: unknown, relations: Set<string>, words: Set<string>): void {
  if (typeof node !== "object" || node === null) return;
  for (const [key, value] of Object.entries(node) as [string, unknown][]) {
    if (typeof value !== "string") collect(value, relations, words);
    else if (key === "relname" || key === "idxname") relations.add(value);
    else if (key === "sval") words.add(lastOf(value));
    else if (key === "schemaname") words.add(value);
  }
}

/** `stock_id_seq` for 'public.stock_id_seq' in nextval(...). */
function lastOf(name: string): string {
  return name.split(".").at(-1)?.replaceAll('"', "") ?? name;
}

/** The last part of a qualified name, or of each name in a list of them. */
function lastNames(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) {
    const node = (value ?? {}) as Partial<Record<string, unknown>>;
    const { sval, items, names, objname } = { ...node, ...contentOf(node) } as {
      sval?: string;
      items?: Node[];
      names?: Node[];
      objname?: Node[];
    };
    return sval === undefined ? lastNames(items ?? names ?? objname ?? []) : [sval];
  }
  const parts = value as Node[];
  const isName = parts.every((part) => "String" in part);
  return isName ? lastNames(parts.at(-1)) : parts.flatMap(lastNames);
}

function contentOf(node: object): object {
  const [content] = Object.values(node) as unknown[];
  return typeof content === "object" && content !== null && !Array.isArray(content) ? content : {};
}
