import { setTimeout as sleep } from "node:timers/promises";
import { withClients } from "./clients";
import { ensureOk, start } from "./command";
import { withFolder } from "./folder";
import { ours, type Step, type Tool } from "./peers";
import { type Bench, inTurns, medians, type Row } from "./row";
import { withClient, withDatabase } from "./server";

const readerMs = 8_000;
/** How old the reader is when the tool starts. */
const headStartMs = 1_000;

const steps: readonly Step[] = [
  {
    name: "create",
    sql: "CREATE TABLE stock (id int PRIMARY KEY, quantity int NOT NULL)",
  },
  {
    name: "widen",
    sql: "ALTER TABLE stock ADD COLUMN price numeric(12, 2)",
    pgroll: {
      add_column: {
        table: "stock",
        column: { name: "price", type: "numeric(12, 2)", nullable: true },
      },
    },
  },
];

interface Result {
  readonly longestStallMs: number;
  /** From the reader's end to the tool's; null: the tool gave up. */
  readonly appliedAfterMs: number | null;
}

/** `lockQueue`: what other clients feel while DDL has to wait for a long reader. */
export async function measureLockQueue(bench: Bench): Promise<{ lockQueue: Row }> {
  const results = await inTurns(bench, "lockQueue", [ours, ...bench.peers], (tool) =>
    measureOne(bench, tool),
  );
  const stall = medians(results, ({ longestStallMs }) => longestStallMs);
  const after = medians(results, ({ appliedAfterMs }) => appliedAfterMs);
  return {
    lockQueue: {
      ...stall,
      unit: `longest stall in ms of 4 clients that read by key every 5 ms while ADD COLUMN meets a reader of ${readerMs / 1000} s`,
      appliedAfterReaderMs: after,
    },
  };
}

function measureOne({ server }: Bench, tool: Tool): Promise<Result> {
  return withDatabase(server, (url) =>
    withFolder(async (folder) => {
      if (tool.prepare !== undefined) await ensureOk(tool.prepare(url, folder));
      tool.write(folder, steps.slice(0, 1));
      await ensureOk(tool.up(url, folder));
      tool.write(folder, steps);
      await withClient(url, (client) =>
        client.query("INSERT INTO stock SELECT n, 0 FROM generate_series(1, 10000) AS n"),
      );
      const load = {
        clients: 4,
        everyMs: 5,
        request: () =>
          `SELECT quantity FROM stock WHERE id = ${1 + Math.floor(Math.random() * 10000)}`,
      };
      const { result, felt } = await withClients(url, load, () => behindReader(url, tool, folder));
      return { longestStallMs: felt.longestMs, appliedAfterMs: result };
    }),
  );
}

async function behindReader(url: string, tool: Tool, folder: string): Promise<number | null> {
  return withClient(url, async (reader) => {
    await reader.query("BEGIN");
    await reader.query("SELECT count(*) FROM stock");
    await sleep(headStartMs);
    const started = start(tool.up(url, folder));
    await sleep(readerMs - headStartMs);
    await reader.query("COMMIT");
    const freed = performance.now();
    const { status } = await started.ended;
    return status === 0 ? Math.round(performance.now() - freed) : null;
  });
}
