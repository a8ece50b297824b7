import type { ColumnDef } from "libpg-query";
import type { Client } from "pg";
import { alterPieces } from "../sql/alterCommands";
import { parseTrees, scanTokens, type Token } from "../sql/parser";
import type { StatementClass, TouchedRelation, Work } from "./classification";

/**
 * The files that do online what an ALTER TABLE would do by writing the table anew: for people, ready
 * to be pasted. undefined where no sync.yaml does it, or not all that is written.
 */
export async function onlineWay(
  client: Client,
  { statement }: StatementClass,
  table: TouchedRelation,
  { command = 0 }: Work,
): Promise<string[] | undefined> {
  const { head, commands } = await alterPieces(statement.text);
  // Alone, so that all that follows a place in its tree belongs to it.
  const text = `${head} ${commands[command] ?? ""}`;
  const [tree] = await parseTrees(text);
  const node = tree !== undefined && "AlterTableStmt" in tree && tree.AlterTableStmt.cmds?.[0];
  if (!node || !("AlterTableCmd" in node) || table.kind !== "r") return undefined;
  const { subtype, name = "", def } = node.AlterTableCmd;
  if (def === undefined || !("ColumnDef" in def)) return undefined;
  const bytes = Buffer.from(text);
  const tokens = await scanTokens(text);
  const written: Written = {
    definition: def.ColumnDef,
    tokens,
    cut: (from, to = bytes.length) => {
      const piece = tokens.filter(({ start, end }) => start >= from && end <= to);
      return bytes.subarray(piece[0]?.start ?? 0, piece.at(-1)?.end ?? 0).toString();
    },
  };
  if (subtype === "AT_AddColumn") return filled(client, table, written);
  return subtype === "AT_AlterColumnType" ? retyped(client, table, name, written) : undefined;
}

/** A column as its tree has it, and the text that the places in the tree are of. */
interface Written {
  readonly definition: ColumnDef;
  readonly tokens: readonly Token[];
  /** Between two bytes, or to the end; neither begins nor ends with a comment. */
  readonly cut: (from: number, to?: number) => string;
}

function filled(
  client: Client,
  table: TouchedRelation,
  { definition, tokens, cut }: Written,
): string[] | undefined {
  const { colname = "", location = 0, collClause } = definition;
  const clauses = (definition.constraints ?? []).flatMap((clause) =>
    "Constraint" in clause ? [clause.Constraint] : [],
  );
  const carried = ["CONSTR_DEFAULT", "CONSTR_NOTNULL", "CONSTR_NULL"];
  if (!clauses.every(({ contype = "" }) => carried.includes(contype))) return undefined;
  const places = clauses.map((clause) => clause.location ?? 0).sort((a, b) => a - b);
  const [end] = places;
  // COLLATE may stand behind the default, too.
  if (end === undefined || (collClause?.location ?? 0) > end) return undefined;
  const byDefault = clauses.find(({ contype }) => contype === "CONSTR_DEFAULT")?.location;
  if (byDefault === undefined) return undefined;
  const value = cut(
    tokens.find(({ start, text }) => start >= byDefault && /^default$/i.test(text))?.end ?? 0,
    places.find((place) => place > byDefault),
  );
  const [, firstOfType] = tokens.filter(({ start }) => start >= location);
  const name = client.escapeIdentifier(colname);
  return [
    "Online it is a folder of two files:",
    "expand.sql:",
    `  ALTER TABLE ${table.sql} ADD COLUMN ${name} ${cut(firstOfType?.start ?? 0, end)};`,
    `  ALTER TABLE ${table.sql} ALTER COLUMN ${name} SET DEFAULT ${value};`,
    "sync.yaml:",
    "  kind: fill",
    `  table: ${table.name}`,
    `  new: ${JSON.stringify(colname)}`,
    ...(clauses.some(({ contype }) => contype === "CONSTR_NOTNULL")
      ? [
          "and a plain migration after it:",
          `  ALTER TABLE ${table.sql} ALTER COLUMN ${name} SET NOT NULL;`,
        ]
      : []),
  ];
}

/**
 * A column of a primary key, or one that others refer to, has to change where it stands; so has one
 * that gets a length, for a value that does not fit would fail the old release's write.
 */
async function retyped(
  client: Client,
  table: TouchedRelation,
  column: string,
  { definition: { typeName, collClause }, tokens, cut }: Written,
): Promise<string[] | undefined> {
  if (typeName?.location === undefined) return undefined;
  if (typeName.typmods !== undefined || collClause !== undefined) return undefined;
  const start = typeName.location;
  const word = tokens.find((token) => token.start > start && /^using$/i.test(token.text));
  const type = cut(start, word?.start);
  const { rows } = await client.query(
    `SELECT FROM pg_constraint c JOIN pg_attribute a
            ON a.attname = $2 AND a.attrelid = $1::oid
      WHERE (c.conrelid = $1::oid AND c.contype = 'p' AND a.attnum = ANY (c.conkey))
         OR (c.confrelid = $1::oid AND c.contype = 'f' AND a.attnum = ANY (c.confkey)) LIMIT 1`,
    [table.oid, column],
  );
  if (rows.length > 0) return undefined;
  const fresh = `${column}_new`;
  const using = word && cut(word.end);
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
