import { scanTokens, type Token } from "./parser";

/** An ALTER TABLE statement in pieces, as written. */
export interface AlterPieces {
  /** `ALTER TABLE ONLY orders`: all before the first command. */
  readonly head: string;
  /** `ADD COLUMN a int`, ...: as many as its tree has commands. */
  readonly commands: readonly string[];
}

/** Takes an ALTER TABLE statement to pieces at the commas that separate its commands. */
export async function alterPieces(statement: string): Promise<AlterPieces> {
  const tokens = await scanTokens(statement);
  const bytes = Buffer.from(statement);
  const cut = (from: number, to: number): string => bytes.subarray(from, to).toString().trim();
  const first = firstCommand(tokens);
  const start = tokens[first]?.start ?? bytes.length;
  const commands: string[] = [];
  let from = start;
  let depth = 0;
  for (const { text, start: at, end } of tokens.slice(first)) {
    if (text === "(" || text === "[") depth++;
    if (text === ")" || text === "]") depth--;
    if (text !== "," || depth > 0) continue;
    commands.push(cut(from, at));
    from = end;
  }
  commands.push(cut(from, bytes.length));
  return { head: cut(0, start), commands };
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
