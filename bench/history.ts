import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { baselineFile } from "../engine/baseline";
import { chainDigest } from "../engine/files/digest";
import { loadMigrations } from "../engine/files/migrationFolder";
import { removeNamespace } from "../kube/namespace";
import { choose, contextOf } from "../local/environment";
import { cachePaths, cacheRoot, repository } from "../local/paths";
import {
  configure,
  createStack,
  pulumi,
  type PulumiStack,
  temporaryStack,
} from "../local/pulumiStack";
import { loadRelease } from "../release";
import { median } from "./median";
import { reportFailure } from "./reportFailure";

/** What a long history and a long list of pending migrations cost a stack. */
interface Figures {
  /** Migrations under the baseline resource. */
  readonly baselineMigrations: number;
  /** Resources that hold the schema's history then. */
  readonly baselineResources: number;
  /** Pending migrations in one `pulumi up`. */
  readonly pendingMigrations: number;
  /** Median of an `up` to a release with them, minus one to a release that brings none. */
  readonly pendingAddSeconds: number;
}

const baselineMigrations = 200;
const pendingMigrations = 20;
const rounds = 3;
const paths = cachePaths(cacheRoot(process.env));
const context = contextOf(choose(paths, process.env));

async function measure(say: (line: string) => void): Promise<Figures> {
  const stack = temporaryStack(paths, "history");
  // What this process asks the cluster itself goes where Pulumi goes.
  Object.assign(process.env, stack.environment);
  try {
    await removeNamespace(context, "bookkeeper-history", 120);
    const project = new Project(stack.folder);
    await project.begin();
    await createStack(stack, "dev", {
      release: await project.release(0),
      releases: project.releases,
      frontend: { replicas: 1 },
    });
    say(`first up: ${(await up(stack)).toFixed(1)} s`);
    const baselineResources = await countHistory(stack);
    const without: number[] = [];
    const withPending: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const [count, seconds] of [
        [0, without],
        [pendingMigrations, withPending],
      ] as const) {
        await configure(stack, { release: await project.release(count) });
        seconds.push(await up(stack));
        say(`up with ${count} pending: ${seconds.at(-1)?.toFixed(1) ?? ""} s`);
      }
    }
    const pendingAddSeconds = Math.round((median(withPending) - median(without)) * 10) / 10;
    return { baselineMigrations, baselineResources, pendingMigrations, pendingAddSeconds };
  } finally {
    await removeNamespace(context, "bookkeeper-history", 120);
    await rm(stack.folder, { recursive: true, force: true });
  }
}

/** Releases of the demo's application with a history of their own. */
class Project {
  readonly releases: string;
  readonly #migrations: string;
  #versions = 0;
  #last = 0;

  constructor(folder: string) {
    this.releases = path.join(folder, "releases");
    this.#migrations = path.join(folder, "migrations");
  }

  /** A history of which everything is under the baseline. */
  async begin(): Promise<void> {
    await mkdir(this.releases, { recursive: true });
    await mkdir(this.#migrations, { recursive: true });
    const first = "0001-bookkeeper.sql";
    await cp(path.join(repository, "migrations", first), path.join(this.#migrations, first));
    this.#last = 1;
    await this.#grow(baselineMigrations - 1);
    const unit = await loadMigrations(this.#migrations);
    const baseline = { through: unit.at(-1)?.id, digest: chainDigest(unit) };
    await writeFile(path.join(this.#migrations, baselineFile), JSON.stringify(baseline));
  }

  /** Another release, with so many more migrations than the one before. */
  async release(pending: number): Promise<string> {
    await this.#grow(pending);
    const like = loadRelease(path.join(repository, "releases"), "1.0.0");
    const version = `1.0.${this.#versions++}`;
    const migrations = { folder: this.#migrations, last: idOf(this.#last) };
    const text = stringify({ ...like, version, migrations });
    await writeFile(path.join(this.releases, `${version}.yaml`), text);
    return version;
  }

  async #grow(count: number): Promise<void> {
    for (let more = 0; more < count; more++) {
      const id = idOf(++this.#last);
      const sql = `CREATE TABLE part_${this.#last} (id int PRIMARY KEY, name text NOT NULL);\n`;
      await writeFile(path.join(this.#migrations, `${id}.sql`), sql);
    }
  }
}

function idOf(number: number): string {
  return `${String(number).padStart(4, "0")}-part`;
}

/** Seconds of an `up` that succeeds. */
async function up(stack: PulumiStack): Promise<number> {
  const { status, output, seconds } = await pulumi(stack, ["up", "--yes", "--skip-preview"]);
  if (status !== 0) throw new Error(`pulumi ended with ${status}:\n${output}`);
  return seconds;
}

async function countHistory(stack: PulumiStack): Promise<number> {
  const { output } = await pulumi(stack, ["stack", "export"]);
  const { deployment } = JSON.parse(output) as {
    deployment: { resources: { type: string }[] };
  };
  return deployment.resources.filter(({ type }) => /:(SchemaBaseline|Migration)$/.test(type))
    .length;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
  const figures = await measure((line) => {
    process.stderr.write(`${line}\n`);
  });
  console.log(values.json ? JSON.stringify(figures) : figures);
}

main().catch(reportFailure);
