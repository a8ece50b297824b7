import { Client } from "pg";
import { UserError } from "../../userError";
import { readMigrations } from "../files/migrationFolder";
import { readRepeatables } from "../files/repeatableFolder";
import type { Progress } from "../progress";
import { type Arguments, readArguments, usage, UsageError } from "./arguments";
import { commands } from "./commands";

const exitCode = { ok: 0, failure: 1, usage: 2 };

async function connectTo(connectionString: string | undefined): Promise<Client> {
  const client = new Client({
    ...(connectionString === undefined ? {} : { connectionString }),
    application_name: "stateful-cd migrations",
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    pipeline: true,
  });
  try {
    await client.connect();
  } catch (error) {
    // Without a password pg gives up and leaves the socket open: the process would wait with it.
    client.connection.stream.destroy();
    throw error;
  }
  return client;
}

async function run(given: Arguments, write: (line: string) => void): Promise<boolean> {
  const { id, through, oldRoles, repair, withoutStatements, soakSeconds, keepDays } = given;
  const { json, lines, ok } = await commands[given.command].run({
    connect: () => connectTo(given.connection),
    folder: given.folder,
    migrations: readMigrations(given.folder),
    repeatables: readRepeatables(given.folder),
    oldRoles,
    repair,
    withoutStatements,
    applicationName: "stateful-cd migrations",
    onProgress: (progress) => {
      if (!given.json) write(progressLine(progress));
    },
    ...(id === undefined ? {} : { id }),
    ...(through === undefined ? {} : { through }),
    ...(soakSeconds === undefined ? {} : { soakSeconds }),
    ...(keepDays === undefined ? {} : { keepDays }),
  });
  if (given.json) write(JSON.stringify(json));
  else lines.forEach(write);
  return ok;
}

function progressLine({ migration, message }: Progress): string {
  return migration === undefined ? message : `${migration}: ${message}`;
}

/** What a program reads where a command has no result. */
function errorDocument({ message, problem, details, next }: UserError) {
  return { message, problem, details, next };
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
    if (argv.includes("--json")) write(JSON.stringify({ error: errorDocument(error) }));
    return error instanceof UsageError ? exitCode.usage : exitCode.failure;
  }
}

/**
 * Whoever reads may have seen enough, as in `apply | head -1`: what was asked for is done all the
 * same, for half of a run helps nobody. A disk that is full is said, once, and is a failure.
 */
function keepGoingWithoutReader(): void {
  let failed = false;
  const lose = (error: NodeJS.ErrnoException): void => {
    if (failed || error.code === "EPIPE") return;
    failed = true;
    const next = "free space where the output goes; npm run migrations -- status says what is done";
    process.stderr.write(`The output cannot be written: ${error.message}.\n  Next: ${next}\n`);
    process.once("exit", (code) => {
      if (code === exitCode.ok) process.exitCode = exitCode.failure;
    });
  };
  process.stdout.on("error", lose);
  process.stderr.on("error", lose);
}

/** Runs one command line to its end, which is the process's. */
export function start(argv: readonly string[]): void {
  keepGoingWithoutReader();
  void main(argv).then((code) => {
    process.exitCode = code;
  });
}
