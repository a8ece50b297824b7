import { parseArgs } from "node:util";
import { Client } from "pg";
import { UserError } from "../userError";
import { applyMigrations } from "./apply";
import { applyLines, contractLines, planLines, statusLines } from "./cliOutput";
import { contractMigrations } from "./contract";
import { readMigrations } from "./migrationFolder";
import { planMigrations } from "./plan";
import type { Progress } from "./progress";
import { withSession } from "./session";

const usage = `Usage: npm run migrations -- <command> [options]

Commands
  status   the state of every migration; writes nothing
  plan     the statements that apply would run; writes nothing
  apply    run what is pending
  contract end the old shapes that nothing uses any more

Options
  --database-url URL   where; without it libpq's PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE
  --folder FOLDER      the migrations (default: migrations)
  --through ID         the last migration to look at
  --old-role ROLE      for contract: the login of a release that knows only the old shape; repeatable
  --json               one JSON document on standard output
  --help               this text`;

const exitCode = { ok: 0, failure: 1, usage: 2 };

interface Arguments {
  readonly command: Command;
  readonly connection: string | undefined;
  readonly folder: string;
  readonly through: string | undefined;
  readonly oldRoles: readonly string[];
  readonly json: boolean;
}

const commands = ["status", "plan", "apply", "contract"] as const;
type Command = (typeof commands)[number];

/** A mistake in the command line itself. */
class UsageError extends UserError {}

function readArguments(argv: readonly string[]): Arguments | "help" {
  const { values, positionals } = parse(argv);
  if (values.help === true) return "help";
  const [given, ...more] = positionals;
  const command = commands.find((name) => name === given);
  if (more.length > 0 || command === undefined) {
    const words = positionals.length === 0 ? "no command" : `"${positionals.join(" ")}"`;
    throw new UsageError(
      `The command line has ${words}.`,
      [`Allowed: ${commands.join(", ")}.`],
      "npm run migrations -- --help",
    );
  }
  const oldRoles = values["old-role"] ?? [];
  if (command === "contract" && oldRoles.length === 0) {
    throw new UsageError(
      "contract needs to know which logins are of old releases.",
      ["As long as one of them has a session, the old shape stays."],
      "npm run migrations -- contract --old-role <login of the old release>",
    );
  }
  return {
    command,
    oldRoles,
    connection: checkedConnection(values["database-url"]),
    folder: values.folder ?? "migrations",
    through: values.through,
    json: values.json ?? false,
  };
}

function parse(argv: readonly string[]): ReturnType<typeof parseArgs<typeof options>> {
  try {
    return parseArgs({ ...options, args: [...argv] });
  } catch (error) {
    // parseArgs names the option, and never repeats an option's value.
    const problem = error instanceof Error ? (error.message.split(". ")[0] ?? "") : String(error);
    throw new UsageError(problem, [], "npm run migrations -- --help");
  }
}

const options = {
  allowPositionals: true,
  options: {
    "database-url": { type: "string" },
    folder: { type: "string" },
    through: { type: "string" },
    "old-role": { type: "string", multiple: true },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
} as const;

/** @throws UsageError that does not repeat the URL, for it holds a password */
function checkedConnection(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return url;
  throw new UsageError(
    "--database-url is not a PostgreSQL URL.",
    ["Allowed: postgresql://user:password@host:port/database"],
    "npm run migrations -- --help",
  );
}

async function connectTo(connectionString: string | undefined): Promise<Client> {
  const client = new Client({
    ...(connectionString === undefined ? {} : { connectionString }),
    application_name: "stateful-cd migrations",
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  await client.connect();
  return client;
}

async function run(given: Arguments, write: (line: string) => void): Promise<boolean> {
  const migrations = await readMigrations(given.folder);
  const connect = (): Promise<Client> => connectTo(given.connection);
  const options = {
    connect,
    migrations,
    applicationName: "stateful-cd migrations",
    onProgress: (progress: Progress): void => {
      if (!given.json) write(progressLine(progress));
    },
    ...(given.through === undefined ? {} : { through: given.through }),
  };
  if (given.command === "contract") {
    await withSession(connect, ({ client }) => ensureRolesExist(client, given.oldRoles));
    const result = await contractMigrations({ ...options, oldRoles: given.oldRoles });
    if (given.json) write(JSON.stringify(result));
    else contractLines(result).forEach(write);
    return true;
  }
  if (given.command === "apply") {
    const result = await applyMigrations(options);
    if (given.json) write(JSON.stringify(result));
    else applyLines(result).forEach(write);
    return true;
  }
  const plan = await withSession(connect, ({ client }) =>
    planMigrations(client, migrations, given.through),
  );
  if (given.json) write(JSON.stringify(plan));
  else (given.command === "plan" ? planLines(plan) : statusLines(plan)).forEach(write);
  return plan.refusals.length === 0;
}

/** A name mistyped here would let the contract run under the eyes of the old release. */
async function ensureRolesExist(client: Client, roles: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT rolname AS name FROM pg_roles WHERE rolname = ANY ($1)",
    [roles],
  );
  const missing = roles.filter((role) => !rows.some(({ name }) => name === role));
  if (missing.length === 0) return;
  throw new UserError(`There is no role ${missing.join(", ")}.`, [], "correct --old-role");
}

function progressLine({ migration, message }: Progress): string {
  return migration === undefined ? message : `${migration}: ${message}`;
}

/** @returns the process's exit code */
async function main(argv: readonly string[]): Promise<number> {
  const write = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  try {
    const given = readArguments(argv);
    if (given === "help") {
      write(usage);
      return exitCode.ok;
    }
    return (await run(given, write)) ? exitCode.ok : exitCode.failure;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return error instanceof UsageError ? exitCode.usage : exitCode.failure;
  }
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
