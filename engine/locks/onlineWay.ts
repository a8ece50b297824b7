import type { AlterTableStmt } from "libpg-query";
import type { Client } from "pg";
import { alterPieces } from "../sql/alterCommands";
import { scanTokens, type Token } from "../sql/parser";
import type { StatementClass, TouchedRelation, Work } from "./classification";

/**
 * The files that do online what an ALTER TABLE would do by writing the table anew: for people, ready
 * to be pasted. undefined where no sync.yaml does it.
 */
export async function onlineWay(
  client: Client,
  { statement }: StatementClass,
  tree: AlterTableStmt,
  table: TouchedRelation,
  { command = 0 }: Work,
): Promise<string[] | undefined> {
  const node = tree.cmds?.[command];
  const { commands } = await alterPieces(statement.text);
  if (node === undefined || !("AlterTableCmd" in node) || table.kind !== "r") return undefined;
  const { subtype, name = "", def } = node.AlterTableCmd;
  const text = (commands[command] ?? "").replace(/^add(\s+column)?(\s+if\s+not\s+exists)?\s+/i, "");
  const words = clausesOf(text, await scanTokens(text));
  if (subtype === "AT_AddColumn" && def !== undefined && "ColumnDef" in def) {
    return filled(client, table, def.ColumnDef.colname ?? "", words);
  }
  return subtype === "AT_AlterColumnType" ? retyped(client, table, name, words) : undefined;
}

/** What stands behind each of the words that part a column's definition, as written. */
type Clauses = ReadonlyMap<string, string>;

const parting = new Set([
  ...["type", "using", "default", "not", "null", "constraint", "check", "unique", "primary"],
  ...["references", "generated", "collate"],
]);

/** `""` holds what precedes the first such word. */
function clausesOf(text: string, tokens: readonly Token[]): Clauses {
  const bytes = Buffer.from(text);
  const found = new Map<string, Token[]>();
  let current: Token[] = [];
  found.set("", current);
  let depth = 0;
  for (const token of tokens) {
    const word = token.text.toLowerCase();
    if (word === "(" || word === "[") depth++;
    if (word === ")" || word === "]") depth--;
    if (depth === 0 && parting.has(word)) {
      current = [];
      found.set(word, current);
    } else current.push(token);
  }
  const cut = (piece: readonly Token[]): string =>
    bytes.subarray(piece[0]?.start ?? 0, piece.at(-1)?.end ?? 0).toString();
  return new Map([...found].map(([word, piece]) => [word, cut(piece)]));
}

function filled(
  client: Client,
  table: TouchedRelation,
  column: string,
  clauses: Clauses,
): string[] | undefined {
  const value = clauses.get("default");
  if (value === undefined || value === "") return undefined;
  const name = client.escapeIdentifier(column);
  const type = (clauses.get("") ?? "").replace(/^("(?:[^"]|"")*"|\S+)\s+/, "");
  return [
    "Online it is a folder of two files:",
    "expand.sql:",
    `  ALTER TABLE ${table.sql} ADD COLUMN ${name} ${type};`,
    `  ALTER TABLE ${table.sql} ALTER COLUMN ${name} SET DEFAULT ${value};`,
    "sync.yaml:",
    "  kind: fill",
    `  table: ${table.name}`,
    `  new: ${JSON.stringify(column)}`,
    ...(clauses.has("not")
      ? [
          "and a plain migration after it:",
          `  ALTER TABLE ${table.sql} ALTER COLUMN ${name} SET NOT NULL;`,
        ]
      : []),
  ];
}

/** A column of a primary key, or one that others refer to, has to change where it stands. */
async function retyped(
  client: Client,
  table: TouchedRelation,
  column: string,
  clauses: Clauses,
): Promise<string[] | undefined> {
  const type = clauses.get("type");
  if (type === undefined) return undefined;
  const { rows } = await client.query(
    `SELECT FROM pg_constraint c JOIN pg_attribute a
            ON a.attname = $2 AND a.attrelid = $1::oid
      WHERE (c.conrelid = $1::oid AND c.contype = 'p' AND a.attnum = ANY (c.conkey))
         OR (c.confrelid = $1::oid AND c.contype = 'f' AND a.attnum = ANY (c.confkey)) LIMIT 1`,
    [table.oid, column],
  );
  if (rows.length > 0) return undefined;
  const fresh = `${column}_new`;
  const using = clauses.get("using");
  return [
    "Online it is a folder of two files; the new release uses the new name, which you choose:",
    "expand.sql:",
    `  ALTER TABLE ${table.sql} ADD COLUMN ${client.escapeIdentifier(fresh)} ${type};`,
    "sync.yaml:",
    "  kind: type",
    `  table: ${table.name}`,
    `  old: ${JSON.stringify(column)}`,
    `  new: ${JSON.stringify(fresh)}`,
    `  type: ${JSON.stringify(type)}`,
    ...(using === undefined
      ? []
      : [
          `  using: ${JSON.stringify(using)}`,
          `  back: <the old value, from ${fresh}; without it a cast>`,
        ]),
  ];
}
