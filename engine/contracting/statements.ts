import type { Client } from "pg";
import { sqlState, stateOf } from "../session/databaseErrors";
import type { Session } from "../session/session";
import { parse, scanTokens } from "../sql/parser";
import { headOf, printable, redactSecrets } from "../sql/sourceText";
import { type OldColumns, wordPattern } from "./dependents";

/** How often each statement that names an old column had run, by user and statement. */
export type StatementCalls = Readonly<Record<string, number>>;

/** Why nothing is known of statements, and what changes that. */
export interface Unseen {
  readonly why: string;
  readonly way: string;
}

interface Seen {
  key: string;
  role: string;
  query: string;
  calls: number;
}

/** What pg_stat_statements knows. */
export interface StatementUse {
  readonly calls: StatementCalls;
  /** Counted from here on; null where the extension does not tell. */
  readonly since: Date | null;
  /** For people, by the same keys. */
  readonly shown: Readonly<Record<string, string>>;
}

/**
 * Statements of others than the engine's own role that name an old column, where pg_stat_statements
 * shows to this reader what others run.
 * @param reader a session that may read all statistics
 * @param session the engine's own: it analyses the statements, and runs none
 */
export async function statementUse(
  reader: Client,
  session: Session,
  old: OldColumns,
): Promise<StatementUse | Unseen> {
  const schema = await readableIn(reader);
  if (typeof schema !== "string") return schema;
  const from = `${schema}.pg_stat_statements`;
  const { rows } = await reader.query<Seen>(
    `SELECT concat_ws('/', s.userid, s.queryid, coalesce(to_jsonb(s)->>'toplevel', '')) AS key,
            coalesce(r.rolname, 'somebody') AS role, s.query, s.calls::float8 AS calls
       FROM ${from} s LEFT JOIN pg_roles r ON r.oid = s.userid
      WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND r.rolname IS DISTINCT FROM $1 AND r.rolname IS DISTINCT FROM session_user::text
        AND coalesce(to_jsonb(s)->>'toplevel', 'true') = 'true'
        AND s.query ~* ('\\m' || $2::text || '\\M')
        AND EXISTS (SELECT FROM unnest($3::text[]) word WHERE s.query ~* ('\\m' || word || '\\M'))`,
    [session.facts.user, wordPattern(old.tableName), old.columns.map(wordPattern)],
  );
  const calls: Record<string, number> = {};
  const shown: Record<string, string> = {};
  for (const { key, role, query, calls: count } of rows) {
    if (!(await isUse(session, query, old))) continue;
    calls[key] = count;
    shown[key] = printable(`${role}: ${headOf(redactSecrets(query))}`);
  }
  return { calls, shown, since: await countedSince(reader, schema) };
}

async function readableIn(reader: Client): Promise<string | Unseen> {
  const { rows } = await reader.query<{
    schema: string | null;
    isLoaded: boolean;
    role: string;
    mayRead: boolean;
    mayUse: boolean;
  }>(
    `SELECT quote_ident(n.nspname) AS schema,
            current_setting('pg_stat_statements.max', true) IS NOT NULL AS "isLoaded",
            quote_ident(current_user) AS role,
            pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS "mayRead",
            coalesce(has_schema_privilege(n.oid, 'USAGE'), true) AS "mayUse"
       FROM (SELECT) one
       LEFT JOIN pg_extension e ON e.extname = 'pg_stat_statements'
       LEFT JOIN pg_namespace n ON n.oid = e.extnamespace`,
  );
  const [found] = rows;
  if (found?.isLoaded !== true) {
    return {
      why: "pg_stat_statements is not loaded",
      way: "add it to shared_preload_libraries and restart the server",
    };
  }
  const { schema, role, mayRead, mayUse } = found;
  if (schema === null) {
    return {
      why: "pg_stat_statements is not in this database",
      way: "CREATE EXTENSION pg_stat_statements",
    };
  }
  if (mayRead && mayUse) return schema;
  return {
    why: `${role} may not read the statements of others`,
    way: mayRead
      ? `GRANT USAGE ON SCHEMA ${schema} TO ${role}`
      : `GRANT pg_read_all_stats TO ${role}`,
  };
}

async function countedSince(reader: Client, schema: string): Promise<Date | null> {
  const { rowCount } = await reader.query(
    "SELECT to_regclass($1) WHERE to_regclass($1) IS NOT NULL",
    [`${schema}.pg_stat_statements_info`],
  );
  if (rowCount === 0) return null;
  const { rows } = await reader.query<{ since: Date | null }>(
    `SELECT stats_reset AS since FROM ${schema}.pg_stat_statements_info`,
  );
  return rows[0]?.since ?? null;
}

const judged = new Set(["SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"]);
/** A statement that names what is not there fails today, and will not fail because of the contract. */
const isWrongToday = new Set(["42P01", "42703", "42883", "3F000", "42704"]);

/**
 * PostgreSQL's own judgement: the body of a function in standard SQL depends on every column that it
 * names. `AS location` beside a table that has such a column is no use of it.
 */
async function isUse(
  { client, facts }: Session,
  query: string,
  { table, columns }: OldColumns,
): Promise<boolean> {
  const parsed = await parse(query);
  // Constants are cut out of what is recorded: `interval $1` does not parse. Its words have to do.
  if ("mistake" in parsed) return true;
  const [statement, ...more] = parsed.statements;
  if (statement === undefined || more.length > 0 || !judged.has(statement.kind)) return false;
  // NULL has any type, where a parameter without a context would have none.
  const tokens = await scanTokens(statement.text);
  const body = tokens.map(({ text }) => (/^\$\d+$/.test(text) ? "NULL" : text)).join(" ");
  await client.query("BEGIN");
  try {
    await client.query("SELECT set_config('search_path', $1, true)", [facts.searchPath]);
    await client.query(
      `CREATE FUNCTION stateful_cd.statement_use() RETURNS void
         LANGUAGE sql BEGIN ATOMIC ${body}; END`,
    );
    const { rowCount } = await client.query(
      `SELECT FROM pg_catalog.pg_depend d
         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass
          AND d.objid = 'stateful_cd.statement_use'::regproc
          AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $1::regclass
          AND a.attname::text = ANY ($2) LIMIT 1`,
      [table, columns],
    );
    return rowCount === 1;
  } catch (error) {
    const state = stateOf(error);
    if (state === undefined) throw error;
    return !isWrongToday.has(state) || state === sqlState.noRight;
  } finally {
    await client.query("ROLLBACK");
  }
}
