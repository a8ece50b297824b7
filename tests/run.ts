import { fork } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import Mocha from "mocha";

interface Ring {
  readonly name: string;
  readonly timeout: number;
  readonly folder: string;
  readonly files: RegExp;
  /** The server's major version, where it is not the one that production runs. */
  readonly postgres?: string;
}

const everyTest = /\.test\.js$/;
/** The engine, but for how a run waits and recovers: servers differ in grammar, catalogs and locks. */
const aboutTheServer =
  /^(engine-(?!backfill|cli|crash|preflight|round-trips|run-lock|squash|stalls|way-back-crash).*|postgres)\.test\.js$/;
const engineOn = (postgres: string): Ring => ({
  name: `postgres-${postgres}`,
  timeout: 60_000,
  folder: "provider",
  files: aboutTheServer,
  postgres,
});

/**
 * The rings from the fastest to the one that needs a cluster; each may rest on the one before. The
 * engine's tests are repeated on the oldest and the newest PostgreSQL that it supports.
 */
const rings: readonly Ring[] = [
  { name: "unit", timeout: 20_000, folder: "unit", files: everyTest },
  { name: "provider", timeout: 60_000, folder: "provider", files: everyTest },
  engineOn("14"),
  engineOn("18"),
  { name: "cluster", timeout: 600_000, folder: "cluster", files: everyTest },
];

interface Totals {
  readonly passed: number;
  /** Whole titles, with the first line of what went wrong. */
  readonly failed: readonly string[];
}

const versionVariable = "STATEFUL_CD_TEST_POSTGRES";

function runRing(ring: Ring): Promise<Totals> {
  const isHere = ring.postgres === undefined || ring.postgres === process.env[versionVariable];
  return isHere ? runHere(ring) : runInProcess(ring);
}

function runHere({ name, timeout, folder, files: wanted }: Ring): Promise<Totals> {
  const root = path.join(__dirname, folder);
  const files = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => wanted.test(file))
    .sort();
  console.log(`\n${name}: ${files.length} files`);
  const mocha = new Mocha({ timeout, slow: timeout / 10, forbidOnly: true, forbidPending: true });
  for (const file of files) mocha.addFile(path.join(root, file));
  return new Promise((resolve) => {
    const failed: string[] = [];
    // Told of failing hooks too, which the count of failed tests leaves out.
    const runner = mocha.run(() => {
      resolve({ passed: runner.stats?.passes ?? 0, failed });
    });
    runner.on("fail", (test, error: unknown) => {
      const [reason] = String(error).split("\n");
      failed.push(`${name}: ${test.fullTitle()}: ${reason}`);
    });
  });
}

/** A process of its own: files that mocha has loaded here could not be run a second time. */
function runInProcess({ name, postgres }: Ring): Promise<Totals> {
  const env = { ...process.env, [versionVariable]: postgres };
  const child = fork(__filename, [name], { env });
  let totals: Totals = { passed: 0, failed: [`postgres-${postgres}: ended before its result`] };
  child.once("message", (message) => {
    totals = message as Totals;
  });
  return new Promise((resolve) => {
    child.once("exit", () => {
      resolve(totals);
    });
  });
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !rings.some((ring) => ring.name === name));
  if (unknown.length > 0)
    throw new Error(`There is no ring of tests called ${unknown.join(", ")}.`);
  let passed = 0;
  const failed: string[] = [];
  for (const ring of rings) {
    if (wanted.length > 0 && !wanted.includes(ring.name)) continue;
    const totals = await runRing(ring);
    passed += totals.passed;
    failed.push(...totals.failed);
  }
  const status = failed.length === 0 && passed > 0 ? 0 : 1;
  if (process.send === undefined) {
    // Named once more at the end: a ring's own list is hundreds of lines above.
    for (const one of failed) console.log(`failed: ${one}`);
    console.log(`tests: ${passed} passed, ${failed.length} failed`);
    process.exit(status);
  }
  const totals: Totals = { passed, failed };
  process.send(totals, () => process.exit(status));
}

void main();
