import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { startServer } from "../tests/postgresServer";
import { type Cell, type Laboratory, runCell, urlOf, withDatabase } from "./crash/cell";
import { crashes, onServer } from "./crash/crashes";
import { runEngine } from "./crash/engineRun";
import { readOutcome } from "./crash/outcome";
import { before, migrations, oldRole } from "./crash/scenario";
import { steps } from "./crash/steps";

/** The command's one document. */
interface Matrix {
  readonly cells: number;
  readonly converged: number;
  readonly failed: readonly { readonly cell: string; readonly why: string }[];
}

const usage = `npm run crash-matrix -- [--json] [--seed N] [--cell STEP/CRASH]...

Ends a run of the engine in every way at every step, runs it again, and compares schema, data and
journal with those of a run that nothing ended. The seed decides how far into a statement it strikes.`;

/** A number from 0 to 1 that depends on seed and name alone, so that one cell can be replayed. */
function chance(seed: number, name: string): number {
  let state = seed >>> 0;
  for (const character of name) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193);
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
  return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
}

function cellsOf(seed: number): Cell[] {
  return steps.flatMap((step) =>
    Object.keys(crashes).map((crash) => {
      const name = `${step.name}/${crash}`;
      return { name, step, crash, delay: Math.floor(chance(seed, name) * 12) };
    }),
  );
}

async function withLaboratory<T>(use: (laboratory: Laboratory) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), "crash-matrix-"));
  // What was committed must survive the server's crash, but no file system's.
  const server = await startServer(undefined, { synchronous_commit: "on", full_page_writes: "on" });
  try {
    for (const [name, text] of Object.entries(migrations)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
    }
    const template = "before";
    await onServer(server, async (client) => {
      await client.query(`CREATE DATABASE ${template} TEMPLATE template0`);
      await client.query(`CREATE ROLE ${oldRole} LOGIN`);
    });
    await onServer(server, (client) => client.query(before), template);
    return await use({ server, template, folder });
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function runMatrix(cells: readonly Cell[], tell: (line: string) => void): Promise<Matrix> {
  return withLaboratory(async (laboratory) => {
    const { server, folder } = laboratory;
    const expected = await withDatabase(laboratory, async (database) => {
      await runEngine(urlOf(server, server.port, database), folder);
      return readOutcome(server, database);
    });
    const failed: { cell: string; why: string }[] = [];
    for (const cell of cells) {
      const started = Date.now();
      const why = await runCell(laboratory, cell, expected);
      if (why !== undefined) failed.push({ cell: cell.name, why });
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      const place = `${cells.indexOf(cell) + 1} of ${cells.length}`;
      tell(`${place}, ${cell.name}: ${why ?? "converged"} (${seconds} s)`);
    }
    return { cells: cells.length, converged: cells.length - failed.length, failed };
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      seed: { type: "string" },
      cell: { type: "string", multiple: true },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    console.log(usage);
    return 0;
  }
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  const cells = cellsOf(seed).filter(({ name }) => values.cell?.includes(name) ?? true);
  if (!Number.isSafeInteger(seed) || cells.length === 0) {
    console.error(usage);
    return 2;
  }
  console.error(`${cells.length} cells, seed ${seed}`);
  // A cell takes seconds and all take half an hour: whoever reads the document sees them too.
  const matrix = await runMatrix(cells, values.json ? console.error : console.log);
  if (values.json) console.log(JSON.stringify(matrix));
  else console.log(`${matrix.converged} of ${matrix.cells} cells converged`);
  for (const { cell } of matrix.failed) {
    console.error(`replay: npm run crash-matrix -- --seed ${seed} --cell ${cell}`);
  }
  return matrix.failed.length === 0 ? 0 : 1;
}

void main().then((status) => {
  process.exitCode = status;
});
