import { execFile, spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";
import { repository } from "../../local/paths";

/** A PostgreSQL of the benchmark's own. */
export interface BenchServer {
  /** The URL of a database of it; the server takes TCP only. */
  url(database: string): string;
}

const nobody = 65534;
const password = "bench";

/**
 * PostgreSQL 17 as it is shipped, durable commits included, for as long as `use` lasts. Only the
 * memory is set: the default is meant for machines of thirty years ago.
 */
export async function withServer<T>(use: (server: BenchServer) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), "stateful-cd-bench-"));
  const owner = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  const native = path.join(folder, "native");
  cpSync(path.join(repository, "node_modules", "postgres-17", "native"), native, {
    recursive: true,
    verbatimSymlinks: true,
  });
  chmodSync(folder, 0o711);
  const passwordFile = path.join(folder, "password");
  writeFileSync(passwordFile, password);
  if (owner.uid !== undefined)
    for (const name of [folder, passwordFile]) chownSync(name, nobody, nobody);
  const data = path.join(folder, "data");
  const program = (name: string) => path.join(native, "bin", name);
  const initdb = ["-D", data, "-U", "postgres", "--pwfile", passwordFile, "-A", "scram-sha-256"];
  await promisify(execFile)(program("initdb"), [...initdb, "-E", "UTF8", "--locale=C"], {
    ...owner,
    cwd: folder,
    env: {},
  });
  const port = await freePort();
  const settings = `port=${port} listen_addresses=127.0.0.1 unix_socket_directories= shared_buffers=512MB max_wal_size=4GB max_connections=100`;
  const server = spawn(
    program("postgres"),
    ["-D", data, ...settings.split(" ").flatMap((setting) => ["-c", setting])],
    { ...owner, cwd: folder, env: {}, stdio: "ignore" },
  );
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const url = (database: string) =>
    `postgresql://postgres:${password}@127.0.0.1:${port}/${database}?sslmode=disable`;
  try {
    await answering(url("postgres"));
    return await use({ url });
  } finally {
    server.kill("SIGINT");
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

async function answering(url: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await withClient(url, (client) => client.query("SELECT"));
      return;
    } catch (error) {
      if (attempt === 200) throw error;
      await sleep(50);
    }
  }
}

export async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url.replace(/\?.*/, "") });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

let made = 0;

/**
 * A database of its own, there until the server ends: dropping one deletes a thousand files, and for
 * minutes after that ext4 takes its time over each file that the next tool makes.
 */
export async function withDatabase<T>(
  server: BenchServer,
  use: (url: string) => Promise<T>,
): Promise<T> {
  const name = `bench_${++made}`;
  await withClient(server.url("postgres"), (client) => client.query(`CREATE DATABASE ${name}`));
  return use(server.url(name));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  });
}
