import { readdirSync } from "node:fs";
import path from "node:path";
import Mocha from "mocha";

/** The rings from the fastest to the one that needs a cluster; each may rest on the one before. */
const rings = [
  { name: "unit", timeout: 20_000 },
  { name: "provider", timeout: 60_000 },
  { name: "cluster", timeout: 600_000 },
];

interface Totals {
  readonly passed: number;
  readonly failed: number;
}

async function runRing(name: string, timeout: number): Promise<Totals> {
  const folder = path.join(__dirname, name);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.js"))
    .sort();
  console.log(`\n${name}: ${files.length} files`);
  const mocha = new Mocha({ timeout, slow: timeout / 10, forbidOnly: true, forbidPending: true });
  for (const file of files) mocha.addFile(path.join(folder, file));
  return new Promise((resolve) => {
    const runner = mocha.run((failures) => {
      // The callback's count is the true one: failing hooks are in it too.
      resolve({ passed: runner.stats?.passes ?? 0, failed: failures });
    });
  });
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !rings.some((ring) => ring.name === name));
  if (unknown.length > 0)
    throw new Error(`There is no ring of tests called ${unknown.join(", ")}.`);
  const totals = { passed: 0, failed: 0 };
  for (const { name, timeout } of rings) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const { passed, failed } = await runRing(name, timeout);
    totals.passed += passed;
    totals.failed += failed;
  }
  console.log(`tests: ${totals.passed} passed, ${totals.failed} failed`);
  process.exit(totals.failed === 0 && totals.passed > 0 ? 0 : 1);
}

void main();
