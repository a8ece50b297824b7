import { cp } from "node:fs/promises";
import path from "node:path";
import { UserError } from "../../userError";
import { buildFolder, isIntact } from "../../local/builtFolder";
import { CommandError, run } from "../../local/command";
import { contentKey } from "../../local/contentKey";
import { cachePaths, cacheRoot, repository } from "../../local/paths";

/** Where the peers' programs are. */
export interface Tools {
  /** A program built from a Go module. */
  go(name: GoPeer): string;
  /** A file of an npm package. */
  npm(file: string): string;
}

const goPeers = {
  pgroll: "github.com/xataio/pgroll",
  goose: "github.com/pressly/goose/v3/cmd/goose",
  tern: "github.com/jackc/tern/v2",
  "golang-migrate": "github.com/golang-migrate/migrate/v4/cmd/migrate",
} as const;
type GoPeer = keyof typeof goPeers;

/** goose without the databases that it is not measured on, golang-migrate with PostgreSQL. */
const tags =
  "postgres,no_clickhouse,no_libsql,no_mssql,no_mysql,no_spanner,no_sqlite3,no_starrocks,no_turso,no_vertica,no_ydb";
const npmFiles = ["node-pg-migrate", "graphile-migrate", "liquibase", "@dbmate/linux-x64"];

/**
 * Sees to it that all peers are there, in the versions pinned in bench/peers, below the cache folder.
 * @throws UserError naming the one that cannot be had here
 */
export async function ensureTools(say: (line: string) => void): Promise<Tools> {
  const { builds } = cachePaths(cacheRoot(process.env));
  const pins = path.join(repository, "bench", "peers");
  const programs = new Map<GoPeer, string>();
  for (const name of Object.keys(goPeers) as GoPeer[]) {
    programs.set(name, await buildGo(name, path.join(pins, name), builds, say));
  }
  const packages = await installNpm(pins, builds, say);
  await ensureJava();
  return {
    go: (name) => programs.get(name) ?? name,
    npm: (file) => path.join(packages, "node_modules", file),
  };
}

async function buildGo(
  name: GoPeer,
  source: string,
  builds: string,
  say: (line: string) => void,
): Promise<string> {
  const version = await asked(name, () => run("go", ["env", "GOVERSION"]));
  const folder = path.join(builds, `peer-${name}-${await contentKey([version, tags], [source])}`);
  const program = path.join(folder, name);
  if (await isIntact(folder)) return program;
  say(`building ${name}, once, into ${folder}`);
  await asked(name, () =>
    buildFolder(folder, [name], async (draft) => {
      const flags = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-tags", tags];
      await run("go", ["build", ...flags, "-o", path.join(draft, name), goPeers[name]], {
        cwd: source,
        env: { ...process.env, GOFLAGS: "", GOWORK: "off", GOTOOLCHAIN: "local" },
      });
    }),
  );
  return program;
}

async function installNpm(
  pins: string,
  builds: string,
  say: (line: string) => void,
): Promise<string> {
  const files = ["package.json", "package-lock.json"].map((name) => path.join(pins, name));
  const folder = path.join(builds, `peers-npm-${await contentKey([process.version], files)}`);
  if (await isIntact(folder)) return folder;
  say(`installing ${npmFiles.join(", ")}, once, into ${folder}`);
  const whole = npmFiles.map((name) => path.join("node_modules", name, "package.json"));
  await asked("the npm peers", () =>
    buildFolder(folder, whole, async (draft) => {
      for (const file of files) await cp(file, path.join(draft, path.basename(file)));
      await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: draft });
    }),
  );
  return folder;
}

async function ensureJava(): Promise<void> {
  await asked("liquibase (it needs Java)", () => run("java", ["-version"]));
}

async function asked<T>(peer: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const words = error instanceof CommandError ? error.lastWords.slice(-6) : [String(error)];
    throw new UserError(
      `The benchmark's peer ${peer} cannot be had on this machine.`,
      words,
      "mend the cause, then: npm run bench:migrations (what is built already is kept)",
    );
  }
}
