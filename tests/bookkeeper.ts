/**
 * BBQ Bookkeeper as it ships, on this machine: the bundled servers as processes of their own, and a
 * balancer in front of them that behaves like a Service.
 */
import { strict as assert } from "node:assert";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { applyMigrations } from "../engine/apply";
import { contractMigrations } from "../engine/contract";
import { loadMigrations } from "../engine/files/migrationFolder";
import { bundleApplication } from "../local/bundle";
import { loadRelease } from "../release";
import type { TestDatabase } from "./postgres";

const root = path.join(__dirname, "..", "..");

/** A release that this folder holds. */
export type Version = "1.0.0" | "2.0.0";

/** One server process. */
export interface Running {
  readonly url: string;
  readonly port: number;
  readonly process: ChildProcess;
  /** Everything it has written so far. */
  readonly log: () => string;
  /** Sends SIGTERM and resolves to the exit code once it has ended. */
  readonly stop: () => Promise<number | null>;
}

type Database = Omit<TestDatabase, "drop">;

let folder: string | undefined;
const bundles = new Map<string, Promise<string>>();
const processes = new Set<ChildProcess>();
const endings: (() => void)[] = [];

/** Runs at the end of the test, failed or not. */
export function atEndOfTest(action: () => void): void {
  endings.push(action);
}

/** A folder for this mocha process, removed at its end. */
export function scratchFolder(): string {
  folder ??= mkdtempSync(path.join(tmpdir(), "stateful-cd-bookkeeper-"));
  return folder;
}

after(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

/** Hooks that end what a test started, also when it failed. */
export function useBookkeeper(): void {
  before(async function bundleOnce() {
    this.timeout(120_000);
    const versions = ["1.0.0", "2.0.0"] as const;
    await Promise.all(
      versions.flatMap((version) => [bundled("backend", version), bundled("frontend", version)]),
    );
  });
  afterEach(() => {
    for (const end of endings.splice(0)) end();
    for (const process of processes) process.kill("SIGKILL");
    processes.clear();
  });
}

export function bundled(part: "backend" | "frontend", version: Version = "1.0.0"): Promise<string> {
  const name = `${part}-${version}`;
  const known = bundles.get(name);
  if (known !== undefined) return known;
  const target = path.join(scratchFolder(), name);
  const made = bundleApplication(path.join(root, "app", part, version), target).then(() => target);
  bundles.set(name, made);
  return made;
}

/**
 * Applies a release's migrations, generated rows after the first of them if asked for, and makes a
 * login that may do no more than the application's group role gives it. Returns the environment a
 * backend needs.
 */
export async function prepareDatabase(
  database: Database,
  sampleRows?: number,
  version: Version = "1.0.0",
): Promise<Record<string, string>> {
  const { migrations: wanted } = loadRelease(path.join(root, "releases"), version);
  const migrations = await loadMigrations(path.join(root, wanted.folder));
  const { connect } = database;
  await applyMigrations({ connect, migrations, through: "0001-bookkeeper" });
  if (sampleRows !== undefined) await generateSample(database, sampleRows, "test");
  await applyMigrations({ connect, migrations, through: wanted.last });
  const role = `bbq_${database.name}`;
  const password = "only-for-this-test";
  await database.query(`
    CREATE ROLE ${role} LOGIN PASSWORD '${password}';
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role};
    ALTER DATABASE ${database.name} SET synchronous_commit = on`);
  const file = path.join(scratchFolder(), `${database.name}.password`);
  writeFileSync(file, `${password}\n`);
  return {
    DATABASE_HOST: database.config.host,
    DATABASE_PORT: String(database.config.port),
    DATABASE_NAME: database.name,
    DATABASE_USER: role,
    DATABASE_PASSWORD_FILE: file,
  };
}

/** Ends the shape of release 1.0.0, as if none of its servers were left. */
export async function contractDatabase({ connect }: Database): Promise<void> {
  const migrations = await loadMigrations(path.join(root, "migrations"));
  const { waiting } = await contractMigrations({
    connect,
    migrations,
    oldRoles: [],
    soakSeconds: 0,
    withoutStatements: true,
  });
  assert.deepEqual(waiting, []);
}

/** Runs app/sample-data.sql as the program does: settings and file in one transaction. */
export async function generateSample(
  database: Database,
  rows: number,
  seed: string,
): Promise<void> {
  const client = await database.connect();
  await client.query("BEGIN");
  await client.query(
    "SELECT set_config('sample.rows', $1, true), set_config('sample.seed', $2, true)",
    [String(rows), seed],
  );
  await client.query(readFileSync(path.join(root, "app/sample-data.sql"), "utf8"));
  await client.query("COMMIT");
  await client.end();
}

/** Starts a backend and waits until it is ready. */
export async function startBackend(
  environment: Record<string, string>,
  version: Version = "1.0.0",
): Promise<Running> {
  const server = path.join(await bundled("backend", version), "server.js");
  return started(server, { RELEASE: version, ...environment });
}

/** Starts a frontend in front of a backend's URL and waits until it is ready. */
export async function startFrontend(
  backendUrl: string,
  environment: Record<string, string> = {},
  version: Version = "1.0.0",
): Promise<Running> {
  const server = path.join(await bundled("frontend", version), "server.js");
  return started(server, { BACKEND_URL: backendUrl, RELEASE: version, ...environment });
}

/**
 * Runs a server with just this environment and returns how it ended and what it wrote.
 * @param moment when it is sent SIGTERM; otherwise it ends by itself
 */
export async function runServer(
  part: "backend" | "frontend",
  environment: Record<string, string>,
  moment?: () => Promise<void>,
): Promise<{ code: number | null; output: string }> {
  const { child, log } = launch(path.join(await bundled(part), "server.js"), environment);
  if (moment) {
    await moment();
    child.kill("SIGTERM");
  }
  return { code: await ended(child), output: log() };
}

async function started(server: string, environment: Record<string, string>): Promise<Running> {
  const port = Number(environment.PORT ?? (await freePort()));
  const { child, log } = launch(server, {
    PORT: String(port),
    SHUTDOWN_DELAY_MS: "1500",
    ...environment,
  });
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; !(await isReady(port)); attempt++) {
    if (child.exitCode !== null || attempt > 400) throw new Error(`It did not start:\n${log()}`);
    await pause(50);
  }
  const stop = (): Promise<number | null> => {
    child.kill("SIGTERM");
    return ended(child);
  };
  return { url, port, process: child, log, stop };
}

function launch(server: string, environment: Record<string, string>) {
  const child = spawn(process.execPath, [server], { env: environment });
  processes.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => (output += text.toString()));
  }
  return { child, log: () => output };
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once("close", resolve));
}

export async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
  } catch {
    return false;
  }
}

/**
 * A TCP balancer like a Service of Kubernetes: new connections go to ready servers in turn, and a
 * connection stays with its server. Readiness is asked for every 50 ms.
 * @returns its URL
 */
export async function startBalancer(ports: readonly number[]): Promise<string> {
  let ready = [...ports];
  let turn = 0;
  const checking = setInterval(() => {
    void Promise.all(ports.map(async (port) => ((await isReady(port)) ? [port] : []))).then(
      (found) => (ready = found.flat()),
    );
  }, 50);
  const server = net.createServer((client) => {
    const port = ready[turn++ % ready.length];
    if (port === undefined) {
      client.destroy();
      return;
    }
    const target = net.connect(port, "127.0.0.1");
    client.pipe(target).pipe(client);
    client.on("error", () => target.destroy());
    target.on("error", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  atEndOfTest(() => {
    clearInterval(checking);
    server.close();
  });
  const address = server.address() as net.AddressInfo;
  return `http://127.0.0.1:${address.port}`;
}

/** The log of a server once it holds `line`: a line is written after its answer is sent. */
export async function logged({ log }: Running, line: RegExp): Promise<string> {
  for (let attempt = 0; !line.test(log()); attempt++) {
    if (attempt > 100) throw new Error(`There is no ${String(line)} in the log:\n${log()}`);
    await pause(20);
  }
  return log();
}

/** Sends JSON and reads JSON; `headers` come on top. */
export async function call(
  url: string,
  method = "GET",
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: unknown; headers: Headers }> {
  const response = await fetch(url, {
    method,
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

/** The status, the detail and the fields at fault of a refusal. */
export async function refusal(answer: ReturnType<typeof call>): Promise<unknown[]> {
  const { status, body, headers } = await answer;
  assert.equal(headers.get("content-type"), "application/problem+json; charset=utf-8");
  const problem = body as { status: number; detail: string; errors?: { field: string }[] };
  assert.equal(problem.status, status);
  return [status, problem.detail, ...(problem.errors ?? []).map(({ field }) => field)];
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function freePort(): Promise<number> {
  const probe = net.createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as net.AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
