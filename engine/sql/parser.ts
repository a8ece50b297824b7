import { setFlagsFromString } from "node:v8";
import type { Node } from "libpg-query";
import { offsetOfCharacter } from "./sourceText";
import { inTransaction, standingOf, type Standing } from "./statement";

/** One statement of a file, found by PostgreSQL's own parser. */
export interface Statement {
  /** From 1, in the order of the file. */
  readonly number: number;
  /** As written, without the semicolon. */
  readonly text: string;
  /** Where it starts in the file's text, in UTF-16 units. */
  readonly offset: number;
  /** The parser's name for its kind, like `CreateStmt`. */
  readonly kind: string;
  readonly standing: Standing;
  readonly tree: Node;
}

/** A mistake at a place of a text. */
export interface Mistake {
  readonly offset: number;
  readonly problem: string;
  readonly fix?: string;
}

export type Parsed = { readonly statements: readonly Statement[] } | { readonly mistake: Mistake };

/** A token with its place in BYTES. */
export interface Token {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Parser {
  parse: (text: string) => { stmts?: RawStatement[] };
  scan: (text: string) => { tokens: Token[] };
}
interface RawStatement {
  stmt?: Node;
  stmt_location?: number;
  stmt_len?: number;
}

/** What the parser makes of nothing. */
const emptyTree: Node = { A_Star: {} };

let loading: Promise<Parser> | undefined;

/**
 * The parser is WebAssembly: 20 ms to load, which a run with nothing to do need not spend. V8 would
 * then make the best of what runs often, 170 ms of another core that the server may be on: more than a
 * thousand files are parsed in.
 */
export async function loadParser(): Promise<Parser> {
  loading ??= importParser();
  return await loading;
}

async function importParser(): Promise<Parser> {
  setFlagsFromString("--liftoff-only");
  const { loadModule, parseSync, scanSync } = await import("libpg-query");
  await loadModule();
  return { parse: parseSync, scan: scanSync };
}

/**
 * Splits a text into statements. The parser counts bytes and its errors count characters; both
 * become offsets into the text. Its grammar is PostgreSQL 18's, which reads all older SQL.
 */
export async function parse(text: string): Promise<Parsed> {
  if (text.trim() === "") return { statements: [] };
  const parser = await loadParser();
  let raw: RawStatement[];
  try {
    raw = parser.parse(text).stmts ?? [];
  } catch (error) {
    return { mistake: explainSyntaxError(text, error) };
  }
  const bytes = Buffer.from(text);
  const isAscii = bytes.length === text.length;
  const statements = raw.map((statement, index) => {
    const start = statement.stmt_location ?? 0;
    const length = statement.stmt_len ?? bytes.length - start;
    const node = statement.stmt;
    return {
      number: index + 1,
      text: bytes
        .subarray(start, start + length)
        .toString()
        .trimEnd(),
      offset: isAscii ? start : bytes.subarray(0, start).toString().length,
      kind: node === undefined ? "" : (Object.keys(node)[0] ?? ""),
      standing: node === undefined ? inTransaction : standingOf(node),
      tree: node ?? emptyTree,
    };
  });
  return { statements };
}

/** The trees of a text's statements, as PostgreSQL's grammar builds them; the text must parse. */
export async function parseTrees(text: string): Promise<Node[]> {
  const { stmts = [] } = (await loadParser()).parse(text);
  return stmts.flatMap(({ stmt }) => (stmt === undefined ? [] : [stmt]));
}

/** The tokens of a statement that parses, comments left out. */
export async function scanTokens(text: string): Promise<Token[]> {
  const { tokens } = (await loadParser()).scan(text);
  return tokens.filter((token) => !/^(--|\/\*)/.test(token.text));
}

function explainSyntaxError(text: string, error: unknown): Mistake {
  if (!(error instanceof Error)) throw error;
  if (!("sqlDetails" in error)) throw error;
  const { cursorPosition } = error.sqlDetails as { cursorPosition: number };
  const offset = offsetOfCharacter(text, Math.max(0, cursorPosition));
  const copy = copyBefore(text, offset);
  if (copy !== undefined) {
    return {
      offset: copy,
      problem: "COPY FROM STDIN needs psql at the other end",
      fix: "write the rows as INSERT INTO ... VALUES",
    };
  }
  if (text[offset] === "\\") {
    const command = /^\\\S*/.exec(text.slice(offset))?.[0] ?? "\\";
    return {
      offset,
      problem: `${command} is a command of psql, not SQL`,
      fix: "remove it: the engine sends SQL only",
    };
  }
  return { offset, problem: error.message };
}

/** The start of a COPY ... FROM STDIN whose rows are what the parser stumbled over, comments aside. */
function copyBefore(text: string, offset: number): number | undefined {
  const copies = text
    .slice(0, offset)
    .matchAll(/\bcopy\b[^;']*\bfrom\s+stdin\b[^;]*;(?:\s|--[^\n]*\n)*/gi);
  for (const copy of copies) if (copy.index + copy[0].length === offset) return copy.index;
  return undefined;
}
