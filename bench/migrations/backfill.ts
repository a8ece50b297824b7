import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Felt, withClients } from "./clients";
import { type Command, ensureOk } from "./command";
import { withFolder } from "./folder";
import { ours, type Tool } from "./peers";
import { type Bench, inTurns, medians, type Row } from "./row";
import { withClient, withDatabase } from "./server";

const writers = 4;
const everyMs = 10;

interface Result extends Felt {
  readonly rowsPerSecond: number;
}

/**
 * `backfill`: a new column is filled from an old one and both are kept in step, while writers change
 * the old one. Ours by sync.yaml, audit included; pgroll by add_column with `up`, as far as `start`.
 */
export async function measureBackfill(bench: Bench): Promise<{ backfill: Row }> {
  const pgroll = bench.peers.filter(({ name }) => name === "pgroll");
  await useLog(bench);
  const results = await inTurns(bench, "backfill", [ours, ...pgroll], (tool) =>
    measureOne(bench, tool),
  );
  return {
    backfill: {
      ...medians(results, ({ rowsPerSecond }) => rowsPerSecond),
      unit: `rows/s of ${bench.rows} rows from the start of the process to its end, under ${writers} writers of ${1000 / everyMs} updates/s each`,
      appP99Ms: medians(results, ({ p99Ms }) => p99Ms),
      appLongestStallMs: medians(results, ({ longestMs }) => longestMs),
    },
  };
}

/**
 * A server that has been in use has files for its log. Whoever makes the first ones, zero by zero, is
 * felt by all: it would always be the tool that is measured first.
 */
function useLog({ server, rows }: Bench): Promise<void> {
  const megabytes = Math.ceil((rows * 400) / 1_000_000);
  return withClient(server.url("postgres"), async (client) => {
    await client.query(
      `DO $$ BEGIN FOR i IN 1..${megabytes} LOOP
         PERFORM pg_logical_emit_message(false, 'bench', repeat('x', 1000000)); END LOOP; END $$`,
    );
    await client.query("CHECKPOINT");
  });
}

function measureOne({ server, rows }: Bench, tool: Tool): Promise<Result> {
  return withDatabase(server, (url) =>
    withFolder(async (folder) => {
      await withClient(url, async (client) => {
        await client.query(
          `CREATE TABLE stock (id bigint PRIMARY KEY, quantity integer NOT NULL, note text NOT NULL);
           INSERT INTO stock SELECT n, n % 97, 'note ' || n FROM generate_series(1, ${rows}) AS n`,
        );
        await client.query("VACUUM ANALYZE stock");
        await client.query("CHECKPOINT");
      });
      if (tool.prepare !== undefined) await ensureOk(tool.prepare(url, folder));
      const { fill, after } = writeMigration(tool, url, folder);
      const load = { clients: writers, everyMs, request: () => anUpdate(rows) };
      const { result, felt } = await withClients(url, load, () => ensureOk(fill));
      if (after !== undefined) await ensureOk(after);
      await ensureFilled(url, tool);
      return { ...felt, rowsPerSecond: Math.round((rows * 1000) / result.milliseconds) };
    }),
  );
}

function anUpdate(rows: number): string {
  const random = (below: number) => Math.floor(Math.random() * below);
  return `UPDATE stock SET quantity = ${random(97)} WHERE id = ${1 + random(rows)}`;
}

/** What fills the column, and what must come after it before the column can be read. */
function writeMigration(
  tool: Tool,
  url: string,
  folder: string,
): { fill: Command; after?: Command } {
  if (tool.name === ours.name) {
    const migration = path.join(folder, "0001-label");
    mkdirSync(migration);
    writeFileSync(path.join(migration, "expand.sql"), "ALTER TABLE stock ADD COLUMN label text;\n");
    writeFileSync(
      path.join(migration, "sync.yaml"),
      [
        "table: stock",
        "old: [quantity]",
        "new: [label]",
        `forward: { label: "'#' || quantity::text" }`,
        'reverse: { quantity: "substr(label, 2)::integer" }',
        "rejects: block",
        "",
      ].join("\n"),
    );
    return { fill: tool.up(url, folder) };
  }
  const file = path.join(folder, "0001_label.json");
  const column = { name: "label", type: "text", nullable: true };
  const addColumn = { table: "stock", column, up: "'#' || quantity::text" };
  writeFileSync(file, JSON.stringify({ operations: [{ add_column: addColumn }] }));
  const { program } = tool.up(url, folder);
  const command = (...args: string[]): Command => ({
    program,
    args: [...args, "--postgres-url", url],
    cwd: folder,
  });
  return { fill: command("start", file), after: command("complete") };
}

async function ensureFilled(url: string, { name }: Tool): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ wrong: string }>(
      "SELECT count(*)::text AS wrong FROM stock WHERE label IS DISTINCT FROM '#' || quantity::text",
    );
    if (rows[0]?.wrong !== "0")
      throw new Error(`${name} left ${String(rows[0]?.wrong)} rows wrong`);
  });
}
