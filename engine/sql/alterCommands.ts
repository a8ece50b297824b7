import { scanTokens, type Token } from "./parser";

/** An ALTER TABLE statement in pieces, as written. */
export interface AlterPieces {
  /** `ALTER TABLE ONLY orders`: all before the first command. */
  readonly head: string;
  /** `ADD COLUMN a int`, ...: as many as its tree has commands. */
  readonly commands: readonly string[];
}

/**
 * Takes an ALTER TABLE statement to pieces at the commas that separate its commands. No piece begins
 * or ends with a comment, so that text may be set before and behind it.
 */
export async function alterPieces(statement: string): Promise<AlterPieces> {
  const tokens = await scanTokens(statement);
  const bytes = Buffer.from(statement);
  const cut = (piece: readonly Token[]): string =>
    bytes.subarray(piece[0]?.start ?? 0, piece.at(-1)?.end ?? 0).toString();
  const first = firstCommand(tokens);
  const pieces: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens.slice(first)) {
    const { text } = token;
    if (text === "(" || text === "[") depth++;
    if (text === ")" || text === "]") depth--;
    if (text === "," && depth === 0) pieces.push([]);
    else pieces.at(-1)?.push(token);
  }
  return { head: cut(tokens.slice(0, first)), commands: pieces.map(cut) };
}

/** ALTER TABLE [IF EXISTS] [ONLY] [schema.]name [*] */
function firstCommand(tokens: readonly Token[]): number {
  const word = (index: number): string => tokens[index]?.text.toLowerCase() ?? "";
  let at = 2;
  if (word(at) === "if") at += 2;
  if (word(at) === "only") at++;
  const isBracketed = word(at) === "(";
  if (isBracketed) at++;
  at++;
  while (word(at) === ".") at += 2;
  if (isBracketed) at++;
  return word(at) === "*" ? at + 1 : at;
}
