import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { errorText } from "../../userError";
import type { OwnServer } from "../../tests/postgresServer";
import { crashes, onServer, type Struck } from "./crashes";
import { runEngine } from "./engineRun";
import { type FaultyProxy, type ProxiedConnection, startFaultyProxy } from "./faultyProxy";
import { compareOutcomes, type Outcome, readOutcome } from "./outcome";
import { matcherOf, type Step } from "./steps";

/** A run that ends in one way at one place. */
export interface Cell {
  /** `build/client-killed`: the step and the crash. */
  readonly name: string;
  readonly step: Step;
  readonly crash: string;
  /** Inside a statement that nothing holds up: after how many milliseconds. */
  readonly delay: number;
}

/** Where cells run. */
export interface Laboratory {
  readonly server: OwnServer;
  /** The database that each cell gets a copy of. */
  readonly template: string;
  /** The migrations folder. */
  readonly folder: string;
}

const engineProgram = path.join(__dirname, "engineRun.js");
const hangs = 60_000;

/**
 * Runs the engine into the crash, then once more, and compares what that leaves with what a run
 * without a crash leaves.
 * @returns why it did not converge; undefined when it did
 */
export async function runCell(
  laboratory: Laboratory,
  cell: Cell,
  expected: Outcome,
): Promise<string | undefined> {
  return withDatabase(laboratory, async (database) => {
    const { server, folder } = laboratory;
    const url = urlOf(server, server.port, database);
    let ended: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => (ended = resolve));
    const { proxy, engine, scene } = await startCrashing(laboratory, cell, database, ended);
    const exit = new Promise<void>((resolve) => {
      engine.once("exit", () => {
        resolve();
      });
    });
    try {
      const isOver = await Promise.race([
        Promise.all([exit, Promise.race([ready, exit])]).then(() => true),
        sleep(hangs, false, { ref: false }),
      ]);
      if (!isOver) return "the run that was struck did not end";
      if (!proxy.struck()) return "the step was never reached";
      await ready;
      if (!scene.isInside) return "the statement never waited for the snapshot";
      const again = runEngine(url, folder).then(
        () => undefined,
        (error: unknown) => errorText(error),
      );
      // A server keeps sessions whose client has fallen silent until its keepalives end them.
      if (cell.crash === "network-silent") await sleep(500);
      await proxy.stop();
      const problem = await again;
      if (problem !== undefined) return `the next run failed: ${problem}`;
      const differences = compareOutcomes(expected, await readOutcome(server, database));
      return differences.length === 0 ? undefined : differences.slice(0, 5).join("; ");
    } finally {
      engine.kill("SIGKILL");
      await proxy.stop();
    }
  });
}

interface Scene {
  struck?: Omit<Struck, "connection">;
  /** The session whose snapshot holds the statement up. */
  holder?: Client;
  /** Whether the statement was held up when the crash came. */
  isInside: boolean;
}

async function startCrashing(
  { server, folder }: Laboratory,
  { step, crash, delay }: Cell,
  database: string,
  ended: () => void,
): Promise<{ proxy: FaultyProxy; engine: ChildProcess; scene: Scene }> {
  const strike = crashes[crash];
  if (strike === undefined) throw new Error(`There is no crash called ${crash}.`);
  const scene: Scene = { isInside: true };
  const proxy = await startFaultyProxy(server, {
    hits: matcherOf(step),
    placement: step.placement,
    prepare: async () => {
      if (step.heldBySnapshot === true) scene.holder = await openSnapshot(server, database);
    },
    untilInside: async (connection) => {
      if (scene.holder === undefined) await sleep(delay);
      else scene.isInside = await untilWaiting(server, connection);
    },
    strike: async (connection) => {
      if (scene.struck === undefined) throw new Error("a statement came before the engine");
      try {
        await strike({ ...scene.struck, connection });
      } finally {
        await scene.holder?.end().catch(() => undefined);
        ended();
      }
    },
  });
  const engine = spawn(
    process.execPath,
    [engineProgram, urlOf(server, proxy.port, database), folder],
    { stdio: "ignore" },
  );
  scene.struck = { server, proxy, engine };
  return { proxy, engine, scene };
}

async function openSnapshot(server: OwnServer, database: string): Promise<Client> {
  const client = new Client({ connectionString: urlOf(server, server.port, database) });
  client.on("error", () => undefined);
  await client.connect();
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM stock, readings LIMIT 1");
  return client;
}

/** false when it has not come to wait for the snapshot within five seconds. */
function untilWaiting(server: OwnServer, { backendPid }: ProxiedConnection): Promise<boolean> {
  return onServer(server, async (client) => {
    for (let left = 500; left > 0; left--) {
      const { rowCount } = await client.query(
        "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'virtualxid'",
        [backendPid],
      );
      if (rowCount === 1) return true;
      await sleep(10);
    }
    return false;
  });
}

let databases = 0;

/** A copy of the template for `use`, dropped afterwards. */
export async function withDatabase<T>(
  { server, template }: Laboratory,
  use: (database: string) => Promise<T>,
): Promise<T> {
  const name = `cell_${++databases}`;
  await onServer(server, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  try {
    return await use(name);
  } finally {
    await onServer(server, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
  }
}

export function urlOf({ host, user, password }: OwnServer, port: number, database: string): string {
  return `postgresql://${user}:${password}@${host}:${port}/${database}`;
}
