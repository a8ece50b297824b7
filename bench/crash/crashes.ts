import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { type OwnServer, postmasterOf } from "../../tests/postgresServer";
import type { FaultyProxy, ProxiedConnection } from "./faultyProxy";

/** What a crash strikes. */
export interface Struck {
  readonly server: OwnServer;
  readonly proxy: FaultyProxy;
  readonly connection: ProxiedConnection;
  /** The engine's process. */
  readonly engine: ChildProcess;
}

/** How a run may end at any place. */
export const crashes: Readonly<Record<string, (struck: Struck) => Promise<void>>> = {
  /** kill -9 of the engine. */
  "client-killed": ({ engine }) => kill(engine),
  /** pg_terminate_backend. */
  "backend-ended": async ({ server, connection: { backendPid } }) => {
    await onServer(server, async (client) => {
      await client.query("SELECT pg_terminate_backend($1)", [backendPid]);
      for (let left = 250; left > 0; left--) {
        const { rowCount } = await client.query("SELECT FROM pg_stat_activity WHERE pid = $1", [
          backendPid,
        ]);
        if (rowCount === 0) return;
        await sleep(20);
      }
    });
  },
  /** kill -9 of the backend: the server ends all others too, and recovers. */
  "backend-killed": async ({ server, connection: { backendPid } }) => {
    if (backendPid === undefined) return;
    ensureOwn(server, backendPid);
    process.kill(backendPid, "SIGKILL");
    await sleep(100);
    await untilAnswering(server);
  },
  /** The whole server, without a clean shutdown. */
  "server-stopped": ({ server }) => server.crash(),
  /** Both ends get a reset. */
  "network-reset": ({ proxy }) => {
    for (const { client, server } of proxy.connections) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    return Promise.resolve();
  },
  /** Nothing passes any more, and the engine is given up; its sessions seem to live on. */
  "network-silent": async ({ proxy, engine }) => {
    proxy.silence();
    await sleep(200);
    await kill(engine);
  },
};

/** Runs work on a session of the superuser in the maintenance database. */
export async function onServer<T>(
  server: OwnServer,
  work: (client: Client) => Promise<T>,
  database = "postgres",
): Promise<T> {
  const { host, port, user, password } = server;
  const client = new Client({ host, port, user, password, database });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function kill(engine: ChildProcess): Promise<void> {
  if (engine.exitCode !== null || engine.signalCode !== null) return;
  const ended = new Promise((resolve) => engine.once("exit", resolve));
  engine.kill("SIGKILL");
  await ended;
}

/** A pid that came over the wire is killed only where the kernel says that it is our server's child. */
function ensureOwn(server: OwnServer, pid: number): void {
  const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (Number(parent) !== postmasterOf(server.dataFolder))
    throw new Error(`${pid} is no backend of this server`);
}

async function untilAnswering(server: OwnServer): Promise<void> {
  for (let left = 500; ; left--) {
    try {
      await onServer(server, (client) => client.query("SELECT"));
      return;
    } catch (error) {
      if (left === 0) throw error;
      await sleep(20);
    }
  }
}
