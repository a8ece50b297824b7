/**
 * The engine's commands as tests call them, each on the database and the folder of the test.
 *
 *   const { database, folder, apply, refusal } = useEngine();
 *   it("...", async () => { folder.write("0001-a.sql", "..."); await apply(); ... });
 */
import path from "node:path";
import type { Client } from "pg";
import { abortMigration } from "../engine/abort";
import { applyMigrations, type ApplyOptions } from "../engine/apply";
import { contractMigrations, type ContractOptions } from "../engine/contract";
import { loadMigrations } from "../engine/files/migrationFolder";
import type { RunOptions } from "../engine/runOptions";
import { undoMigration } from "../engine/undo";
import { failureOf, useFolder } from "./migrationFolder";
import { useDatabase } from "./postgres";

/** The engine's command line as `npm run migrations` starts it, for runs in a process of their own. */
export const cli = path.join(__dirname, "..", "migrations.js");

/**
 * Hooks that give every test of the enclosing `describe` a fresh database and an empty folder, and
 * the commands on both. Each call reads the folder as it is then; options win over what is filled in.
 */
export function useEngine() {
  const database = useDatabase();
  const folder = useFolder();
  const load = () => loadMigrations(folder.path);
  const filledIn = async <Options extends Partial<RunOptions>>(options: Options) => ({
    connect: database.connect,
    migrations: options.migrations ?? (await load()),
    ...options,
  });
  const apply = async (options: Partial<ApplyOptions> = {}) =>
    applyMigrations(await filledIn(options));
  return {
    database,
    folder,
    /** The folder's migrations, parsed and checked. */
    load,
    apply,
    /** The message that `apply` fails with; its paths begin with `migrations`. */
    refusal: (options: Partial<ApplyOptions> = {}) => failureOf(() => apply(options), folder),
    /** Without old logins, without a soak time, and in a database without pg_stat_statements. */
    contract: async (options: Partial<ContractOptions> = {}) =>
      contractMigrations({
        oldRoles: [],
        soakSeconds: 0,
        withoutStatements: true,
        ...(await filledIn(options)),
      }),
    abort: async (id: string, options: Partial<RunOptions> = {}) =>
      abortMigration({ ...(await filledIn(options)), id }),
    undo: async (id: string, options: Partial<RunOptions> = {}) =>
      undoMigration({ ...(await filledIn(options)), id }),
    /** The state of each migration in the journal, by its id. */
    states: async (): Promise<Record<string, unknown>> =>
      Object.fromEntries(
        (await database.query("SELECT id, state FROM stateful_cd.migrations ORDER BY id")).map(
          ({ id, state }) => [String(id), state],
        ),
      ),
  };
}

/**
 * Lets a test see each query of a session, or send something else instead.
 * @param intercept gets the text, and calls `send` before it waits for anything
 */
export function intercepted(
  client: Client,
  intercept: (text: string, send: (instead?: string) => Promise<unknown>) => Promise<unknown>,
): Client {
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const replaced = (sent: string | { text: string }, ...rest: unknown[]): Promise<unknown> =>
    intercept(typeof sent === "string" ? sent : sent.text, (instead) =>
      query(instead ?? sent, ...rest),
    );
  return Object.assign(client, { query: replaced });
}
