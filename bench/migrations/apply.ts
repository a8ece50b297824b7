import { median } from "../median";
import { ensureOk } from "./command";
import { withFolder } from "./folder";
import { ours, type Step, type Tool } from "./peers";
import { type Bench, inTurns, medians, type Row } from "./row";
import { withClient, withDatabase } from "./server";

const migrations = 200;
const noops = 3;

/** Tables, columns, indexes and rows in turns. */
function smallSteps(): Step[] {
  return Array.from({ length: migrations }, (_, index) => {
    const table = `t${Math.floor(index / 4)}`;
    const steps: readonly Step[] = [
      {
        name: `create_${table}`,
        sql: `CREATE TABLE ${table} (id int PRIMARY KEY, name text NOT NULL)`,
      },
      { name: `widen_${table}`, sql: `ALTER TABLE ${table} ADD COLUMN price numeric(12, 2)` },
      { name: `index_${table}`, sql: `CREATE INDEX ${table}_name ON ${table} (name)` },
      { name: `fill_${table}`, sql: `INSERT INTO ${table} VALUES (1, 'one', 1.5)` },
    ];
    return steps[index % 4] ?? { name: "none", sql: "SELECT" };
  });
}

/** `apply200` and `noop`: whole processes, from start to exit. */
export async function measureApply(bench: Bench): Promise<{ apply200: Row; noop: Row }> {
  const steps = smallSteps();
  const results = await inTurns(bench, "apply200", [ours, ...bench.peers], (tool) =>
    measureOne(bench, tool, steps),
  );
  return {
    apply200: {
      ...medians(results, ({ apply }) => apply),
      unit: `ms from the start of the process to its end, ${migrations} small migrations from empty`,
    },
    noop: {
      ...medians(results, ({ noop }) => noop),
      unit: "ms from the start of the process to its end, nothing pending",
    },
  };
}

function measureOne({ server }: Bench, tool: Tool, steps: readonly Step[]) {
  return withDatabase(server, (url) =>
    withFolder(async (folder) => {
      tool.write(folder, steps);
      if (tool.prepare !== undefined) await ensureOk(tool.prepare(url, folder));
      const { milliseconds: apply } = await ensureOk(tool.up(url, folder));
      await ensureApplied(url, tool);
      const again: number[] = [];
      for (let count = 0; count < noops; count++) {
        again.push((await ensureOk(tool.up(url, folder))).milliseconds);
      }
      return { apply: Math.round(apply), noop: Math.round(median(again)) };
    }),
  );
}

/** A tool that skips its work would be the fastest. */
async function ensureApplied(url: string, { name }: Tool): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ found: string }>(
      "SELECT count(*)::text AS found FROM pg_indexes WHERE schemaname = 'public' AND indexname ~ '^t[0-9]+_name$'",
    );
    const { rows: filled } = await client.query<{ found: string }>(
      `SELECT count(*)::text AS found FROM t${migrations / 4 - 1} WHERE price = 1.5`,
    );
    if (rows[0]?.found !== String(migrations / 4) || filled[0]?.found !== "1") {
      throw new Error(`${name} has not applied all ${migrations} migrations`);
    }
  });
}
