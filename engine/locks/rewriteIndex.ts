import type { IndexStmt } from "libpg-query";
import type { Client } from "pg";
import type { Rewrite } from "../journal/rewrites";
import { scanTokens } from "../sql/parser";
import type { StatementClass, TouchedRelation } from "./classification";
import { chooseIndexName } from "./indexNames";

/** CREATE INDEX as CREATE INDEX CONCURRENTLY, under the name that it would have had. */
export async function rewriteIndex(
  client: Client,
  { statement }: StatementClass,
  tree: IndexStmt,
  table: TouchedRelation,
): Promise<Rewrite> {
  const tokens = await scanTokens(statement.text);
  const at = tokens.findIndex(({ text }) => text.toLowerCase() === "index");
  const bytes = Buffer.from(statement.text);
  const end = tokens[at]?.end ?? 0;
  const chosen =
    tree.idxname === undefined ? await chooseIndexName(client, tree, table) : undefined;
  const name = chosen ?? client.escapeIdentifier(tree.idxname ?? "");
  const cut = (from: number, to?: number): string => bytes.subarray(from, to).toString();
  const inserted = chosen === undefined ? "" : ` ${chosen}`;
  const sql = `${cut(0, end)} CONCURRENTLY${inserted}${cut(end)}`;
  const undo = [`DROP INDEX IF EXISTS ${client.escapeIdentifier(table.schema)}.${name}`];
  return { how: "CREATE INDEX CONCURRENTLY", parts: [{ statements: [sql], alone: true, undo }] };
}
