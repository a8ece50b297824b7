import { parseArgs } from "node:util";
import { UserError } from "../userError";
import { measureApply } from "./migrations/apply";
import { measureBackfill } from "./migrations/backfill";
import { measureCic } from "./migrations/cicForeignTransaction";
import { measureLockQueue } from "./migrations/lockQueue";
import { peersOf } from "./migrations/peers";
import type { Bench, Row } from "./migrations/row";
import { withServer } from "./migrations/server";
import { ensureTools } from "./migrations/tools";
import { reportFailure } from "./reportFailure";

const groups: Readonly<Record<string, (bench: Bench) => Promise<Record<string, Row>>>> = {
  apply: measureApply,
  backfill: measureBackfill,
  lockQueue: measureLockQueue,
  cic: measureCic,
};

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      rows: { type: "string", default: "1000000" },
      runs: { type: "string", default: "3" },
      only: { type: "string", default: Object.keys(groups).join() },
    },
  });
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  const wanted = values.only.split(",");
  const unknown = wanted.filter((name) => !(name in groups));
  if (unknown.length > 0) {
    throw new UserError(
      `There is no row group ${unknown.join(", ")}.`,
      [`Allowed: ${Object.keys(groups).join(", ")}.`],
      "npm run bench:migrations -- --only apply",
    );
  }
  const tools = await ensureTools(say);
  const figures = await withServer(async (server) => {
    const bench: Bench = {
      server,
      peers: peersOf(tools),
      runs: Number(values.runs),
      rows: Number(values.rows),
      say,
    };
    let found: Record<string, Row> = {};
    for (const name of wanted) found = { ...found, ...(await groups[name]?.(bench)) };
    return found;
  });
  process.stdout.write(`${JSON.stringify(figures, undefined, values.json ? 0 : 2)}\n`);
}

main().catch(reportFailure);
