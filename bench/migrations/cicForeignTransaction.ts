import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { ensureOk, start } from "./command";
import { withFolder } from "./folder";
import { ours, type Step, type Tool } from "./peers";
import { type Bench, inTurns, medians, type Row } from "./row";
import { withClient, withDatabase } from "./server";

const rows = 100_000;
/** How long the foreign transaction stays open after the kill. */
const foreignMs = 2_000;
const nextRuns = 2;
const nextRunMs = 15_000;

const steps: readonly Step[] = [
  {
    name: "create",
    sql: "CREATE TABLE stock (id int PRIMARY KEY, quantity int NOT NULL)",
  },
  {
    name: "index",
    sql: "CREATE INDEX CONCURRENTLY stock_quantity ON stock (quantity)",
    alone: true,
    pgroll: { create_index: { name: "stock_quantity", table: "stock", columns: { quantity: {} } } },
  },
];

interface Result {
  /** From the kill to a valid index that the tool's history knows; null: the next runs did not get there. */
  readonly convergedMs: number | null;
  readonly how: string;
}

/** `cicForeignTransaction`: kill -9 of a concurrent build's client, and what the next run makes of it. */
export async function measureCic(bench: Bench): Promise<{ cicForeignTransaction: Row }> {
  const results = await inTurns(bench, "cicForeignTransaction", [ours, ...bench.peers], (tool) =>
    measureOne(bench, tool),
  );
  const outcomes = [...results].map(([name, list]) => [
    name,
    [...new Set(list.map(({ how }) => how))],
  ]);
  return {
    cicForeignTransaction: {
      ...medians(results, ({ convergedMs }) => convergedMs),
      unit: `ms from kill -9 of the tool in CREATE INDEX CONCURRENTLY to a valid index that its history knows, a foreign transaction being open for the first ${foreignMs}; null: the next ${nextRuns} runs do not get there`,
      outcomes: Object.fromEntries(outcomes) as Record<string, string[]>,
    },
  };
}

function measureOne({ server }: Bench, tool: Tool): Promise<Result> {
  return withDatabase(server, (url) =>
    withFolder(async (folder) => {
      if (tool.prepare !== undefined) await ensureOk(tool.prepare(url, folder));
      tool.write(folder, steps.slice(0, 1));
      await ensureOk(tool.up(url, folder));
      await withClient(url, (client) =>
        client.query(`INSERT INTO stock SELECT n, n % 97 FROM generate_series(1, ${rows}) AS n`),
      );
      tool.write(folder, steps);
      return withClient(url, async (watcher) => {
        const killed = await killWhileBuilding(url, watcher, tool, folder);
        return converge(url, watcher, tool, folder, killed);
      });
    }),
  );
}

/** @returns when it was killed, and the end of the foreign transaction, which is under way */
async function killWhileBuilding(url: string, watcher: Client, tool: Tool, folder: string) {
  const foreign = { at: 0, ended: Promise.resolve() };
  await new Promise<void>((resolve, reject) => {
    foreign.ended = withClient(url, async (client) => {
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
      await client.query("SELECT count(*) FROM pg_class");
      const first = start(tool.up(url, folder));
      await awaitBuild(watcher);
      first.kill();
      foreign.at = performance.now();
      await first.ended;
      resolve();
      await sleep(foreignMs);
      await client.query("COMMIT");
    });
    foreign.ended.catch(reject);
  });
  return foreign;
}

/** Until the build waits for the foreign transaction. */
async function awaitBuild(watcher: Client): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { rowCount } = await watcher.query(
      "SELECT FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting for old snapshots'",
    );
    if (rowCount !== 0) return;
    if (performance.now() > deadline) throw new Error("the concurrent build never began");
    await sleep(20);
  }
}

async function converge(
  url: string,
  watcher: Client,
  tool: Tool,
  folder: string,
  { at, ended }: { at: number; ended: Promise<void> },
): Promise<Result> {
  let how = "";
  for (let run = 1; run <= nextRuns; run++) {
    const next = start(tool.up(url, folder));
    const timer = setTimeout(() => {
      next.kill();
    }, nextRunMs);
    const { status, output } = await next.ended;
    clearTimeout(timer);
    const convergedMs = Math.round(performance.now() - at);
    const index = await indexState(watcher);
    how = `run ${run} after the kill: ${status === null ? `stuck for ${nextRunMs / 1000} s` : `exit ${status}`}, index ${index}`;
    if (status === 0) {
      await ended;
      return { convergedMs: index === "valid" ? convergedMs : null, how };
    }
    const words = /(?:ERROR|error|Error)[^\n]{0,100}/.exec(output)?.[0] ?? "";
    how += words === "" ? "" : ` (${words})`;
    await ended;
  }
  return { convergedMs: null, how };
}

async function indexState(watcher: Client): Promise<string> {
  const { rows: found } = await watcher.query<{ valid: boolean }>(
    "SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass('stock_quantity')",
  );
  const [index] = found;
  if (index === undefined) return "missing";
  return index.valid ? "valid" : "invalid";
}
