/**
 * A real PostgreSQL: the version that production runs, or the one that STATEFUL_CD_TEST_POSTGRES
 * names (14, 17 or 18).
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
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";

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

/** A server and how to end it, gently or not. */
export interface OwnServer extends TestServer {
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
  /** Ends it as a crash does, with no clean shutdown, and starts it again. */
  crash(): Promise<void>;
}

/** The major version of this process's servers. */
export const postgresMajor = Number(process.env.STATEFUL_CD_TEST_POSTGRES ?? "17");

const nobody = 65534;

/**
 * Runs the postmaster until stdin ends, then stops it fast and removes everything. A line on stdin
 * stops it at once, without a clean shutdown, and starts it again.
 */
const watchdogScript = `
folder=$1; shift
run() {
  "$@" >>"$folder/log" 2>&1 &
  server=$!
  ( while kill -0 $server 2>/dev/null; do sleep 0.2; done; kill $$ ) 2>/dev/null &
  watcher=$!
}
run "$@"
trap 'kill -INT $server 2>/dev/null; wait $server; rm -rf "$folder"; exit 0' TERM
while read -r _; do
  kill $watcher
  kill -QUIT $server
  wait $server
  run "$@"
done
kill $watcher
kill -INT $server 2>/dev/null
wait $server
rm -rf "$folder"
`;

/**
 * @param prepare is called with the data folder before the first start
 * @param more settings of postgresql.conf on top of those of a test server
 */
export async function startServer(
  prepare: (dataFolder: string) => void = () => undefined,
  more: Readonly<Record<string, string>> = {},
): Promise<OwnServer> {
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
    ...more,
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
  const server = {
    host: "127.0.0.1",
    port,
    user: "postgres",
    password,
    watchdog: watchdog.pid ?? -1,
    binaries,
    dataFolder,
  };
  const log = path.join(folder, "log");
  await answering(server, log, watchdog);
  return {
    ...server,
    stop: () => {
      const exit = new Promise<void>((resolve) => {
        watchdog.once("exit", () => {
          resolve();
        });
      });
      // Whoever waits for it may have nothing else left that keeps the process alive.
      watchdog.ref();
      watchdog.stdin.end();
      return exit;
    },
    crash: async () => {
      const before = postmasterOf(dataFolder);
      watchdog.stdin.write("again\n");
      while ([before, undefined].includes(postmasterOf(dataFolder))) await sleep(20);
      await answering(server, log, watchdog);
    },
  };
}

/** The npm package's `native` folder, or a copy of it where an unprivileged user cannot reach it. */
function readableInstallation(folder: string, foreignUser: boolean): string {
  const installed = `postgres-${postgresMajor}`;
  const native = path.join(__dirname, "..", "..", "node_modules", installed, "native");
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

/** The postmaster's process id; undefined while none runs. */
export function postmasterOf(dataFolder: string): number | undefined {
  const file = path.join(dataFolder, "postmaster.pid");
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  const [pid = ""] = text.split("\n");
  return pid === "" ? undefined : Number(pid);
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
      await sleep(50);
    }
  }
}
