import type { Client } from "pg";
import { quoted } from "../sql/catalogName";
import { scanTokens, type Token } from "../sql/parser";
import { runnersRole, type Session } from "../session/session";
import type { QualifiedName } from "../sql/treeNames";

/**
 * What an index that `statement` builds would be, by the server's own word: it is built, not
 * concurrently, on an empty twin of the table inside a transaction that is rolled back.
 */
export async function probeDefinition(
  session: Session,
  statement: string,
  table: QualifiedName,
): Promise<string> {
  const { client } = session;
  const twin = "stateful_cd.index_twin";
  await client.query("BEGIN");
  try {
    await client.query(runnersRole(session));
    await client.query(`CREATE TABLE ${twin} (LIKE ${quoted(client, table)})`);
    await client.query(await onTwin(statement, twin));
    const { rows } = await client.query<{ oid: string }>(
      "SELECT indexrelid::text AS oid FROM pg_index WHERE indrelid = $1::regclass",
      [twin],
    );
    return await definitionOf(client, rows[0]?.oid ?? "0");
  } finally {
    await client.query("ROLLBACK");
  }
}

/** The statement without CONCURRENTLY, IF NOT EXISTS and its name, and with another table. */
async function onTwin(statement: string, twin: string): Promise<string> {
  const tokens = await scanTokens(statement);
  const word = (name: string): number =>
    tokens.findIndex((token) => token.text.toLowerCase() === name);
  const concurrently = word("concurrently");
  const on = tokens.findIndex(
    (token, index) => index > concurrently && token.text.toLowerCase() === "on",
  );
  const first = tokens[on + 1]?.text.toLowerCase() === "only" ? on + 2 : on + 1;
  let last = first;
  while (tokens[last + 1]?.text === ".") last += 2;
  const bytes = Buffer.from(statement);
  const cut = (from: Token | undefined, to: Token | undefined): string =>
    bytes.subarray(from?.start ?? 0, to?.end ?? bytes.length).toString();
  const head = cut(undefined, tokens[concurrently - 1]);
  const tail = bytes.subarray(tokens[last]?.end ?? bytes.length).toString();
  return `${head} ON ${twin}${tail}`;
}

/** Everything that makes an index what it is, without its name and its table's. */
export async function definitionOf(client: Client, oid: string): Promise<string> {
  const { rows } = await client.query<{ definition: string }>(
    `SELECT concat_ws(' ', CASE WHEN i.indisunique THEN 'UNIQUE' END, am.amname,
              '(' || (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, false)
                        || ' ' || coalesce((SELECT opcname FROM pg_opclass WHERE oid = i.indclass[k - 1]), '')
                        || coalesce(' ' || (SELECT collname FROM pg_collation WHERE oid = i.indcollation[k - 1]), '')
                        || CASE WHEN i.indoption[k - 1] & 1 = 1 THEN ' DESC' ELSE '' END
                        || CASE WHEN i.indoption[k - 1] & 2 = 2 THEN ' NULLS FIRST' ELSE '' END, ', ' ORDER BY k)
                        FROM generate_series(1, i.indnkeyatts) k) || ')',
              'INCLUDE (' || (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, false), ', ' ORDER BY k)
                        FROM generate_series(i.indnkeyatts + 1, i.indnatts) k) || ')',
              CASE WHEN to_jsonb(i) ->> 'indnullsnotdistinct' = 'true' THEN 'NULLS NOT DISTINCT' END,
              'WITH ' || c.reloptions::text,
              'WHERE ' || pg_get_expr(i.indpred, i.indrelid)) AS definition
       FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
      WHERE i.indexrelid = $1::oid`,
    [oid],
  );
  return rows[0]?.definition ?? "";
}
