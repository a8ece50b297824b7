import { parseArgs } from "node:util";
import { Client } from "pg";
import { UserError } from "../userError";
import { applyMigrations } from "./apply";
import { applyLines, planLines, statusLines } from "./cliOutput";
import { readMigrations } from "./migrationFolder";
import { planMigrations } from "./plan";
import type { Progress } from "./progress";
import { withSession } from "./session";

const usage = `Usage: npm run migrations -- <command> [options]

Commands
  status   the state of every migration; writes nothing
  plan     the statements that apply would run; writes nothing
  apply    run what is pending

Options
  --database-url URL   where; without it libpq's PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE
  --folder FOLDER      the migrations (default: migrations)
  --through ID         the last migration to look at
  --json               one JSON document on standard output
  --help               this text`;

const exitCode = { ok: 0, failure: 1, usage: 2 };

interface Arguments {
  readonly command: "status" | "plan" | "apply";
  readonly connection: string | undefined;
  readonly folder: string;
  readonly through: string | undefined;
  readonly json: boolean;
}

/** A mistake in the command line itself. */
class UsageError extends UserError {}

function readArguments(argv: readonly string[]): Arguments | "help" {
  const { values, positionals } = parse(argv);
  if (values.help === true) return "help";
  const [command, ...more] = positionals;
  if (more.length > 0 || (command !== "status" && command !== "plan" && command !== "apply")) {
    const given = positionals.length === 0 ? "no command" : `"${positionals.join(" ")}"`;
    throw new UsageError(
      `The command line has ${given}.`,
      ["Allowed: status, plan, apply."],
      "npm run migrations -- --help",
    );
  }
  return {
    command,
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
  if (given.command === "apply") {
    const result = await applyMigrations({
      connect,
      migrations,
      applicationName: "stateful-cd migrations",
      onProgress: given.json
        ? () => undefined
        : (progress) => {
            write(progressLine(progress));
          },
      ...(given.through === undefined ? {} : { through: given.through }),
    });
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
