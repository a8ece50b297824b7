import { existsSync, realpathSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { bundleApplication } from "./bundle";
import { pauseImage } from "./configFiles";
import { type LayerSpec, treeLayer } from "./layers";
import { run } from "./command";
import { type ImageConfig } from "./ociArchive";
import { repository } from "./paths";
import { postgresClients, postgresEntrypoint, postgresServer } from "./postgresLayers";

/** An image of the embedded cluster: what it is called, what it is made of, what it runs. */
export interface ImageSpec {
  readonly reference: string;
  readonly layers: readonly LayerSpec[];
  readonly config: ImageConfig;
}

const suite = "bookworm";
const searchPath = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
const environment = [searchPath, "LANG=C.UTF-8"];

/** Users by number, so that `runAsNonRoot` can tell, with names, since initdb asks for one. */
const users = { postgres: 999, app: 10001, pgbouncer: 10002 } as const;

function debian(name: string, packages: readonly string[]): LayerSpec {
  const accounts = Object.entries(users)
    .map(
      ([user, id]) =>
        `echo ${user}:x:${id}:${id}::/tmp:/bin/sh >>"$1/etc/passwd" && echo ${user}:x:${id}: >>"$1/etc/group"`,
    )
    .join(" && ");
  const args = [
    "--quiet",
    "--variant=essential",
    "--format=tar",
    `--include=${packages.join(",")}`,
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    `--customize-hook=${accounts}`,
    suite,
  ];
  return {
    name,
    words: args,
    files: [],
    build: async (tar) => {
      await run("mmdebstrap", [...args, tar]);
    },
  };
}

/** The very Node that runs this program: releases are developed and served by one version. */
function nodeRuntime(): LayerSpec {
  const program = realpathSync(process.execPath);
  return {
    name: "node",
    words: [process.version, process.arch, String(statSync(program).size)],
    files: [],
    build: treeLayer(async (tree) => {
      await run("install", ["-D", "-m", "755", program, `${tree}/usr/local/bin/node`]);
    }),
  };
}

function pause(): LayerSpec {
  const program = "/usr/bin/catatonit";
  return {
    name: "pause",
    words: [],
    files: [program],
    build: treeLayer(async (tree) => {
      await run("install", ["-D", "-m", "755", program, `${tree}/pause`]);
    }),
  };
}

/** Every image: the cluster's own first, then one a release of backend and frontend. */
export async function imageSpecs(): Promise<readonly ImageSpec[]> {
  const base = debian("debian", ["libstdc++6", "tzdata"]);
  return [
    { reference: pauseImage, layers: [pause()], config: { Entrypoint: ["/pause", "-P"] } },
    {
      reference: "localhost/base:1",
      layers: [base, nodeRuntime()],
      config: { User: String(users.app), Env: environment, Cmd: ["sh"] },
    },
    {
      reference: "localhost/postgres:17.9",
      layers: [base, postgresServer(), postgresClients(), postgresEntrypoint(users.postgres)],
      config: {
        User: String(users.postgres),
        Env: [
          ...environment,
          "PGDATA=/var/lib/postgresql/data",
          "PGHOST=/var/run/postgresql",
          "PG_VERSION=17.9",
        ],
        Entrypoint: ["docker-entrypoint.sh"],
        Cmd: ["postgres"],
        // Fast shutdown: SIGTERM would wait for every client to leave.
        StopSignal: "SIGINT",
      },
    },
    {
      reference: "localhost/pgbouncer:1.18",
      layers: [debian("debian-pgbouncer", ["pgbouncer"])],
      config: {
        User: String(users.pgbouncer),
        Env: environment,
        Cmd: ["pgbouncer", "/etc/pgbouncer/pgbouncer.ini"],
        StopSignal: "SIGINT",
      },
    },
    ...(await applicationSpecs([base, nodeRuntime()])),
  ];
}

async function applicationSpecs(below: readonly LayerSpec[]): Promise<ImageSpec[]> {
  const specs: ImageSpec[] = [];
  for (const part of ["backend", "frontend"] as const) {
    const folder = path.join(repository, "app", part);
    const versions = existsSync(folder) ? await readdir(folder, { withFileTypes: true }) : [];
    for (const version of versions.filter((entry) => entry.isDirectory())) {
      const source = path.join(folder, version.name);
      if (!existsSync(path.join(source, "server.ts"))) continue;
      const layer: LayerSpec = {
        name: `${part}-${version.name}`,
        words: [],
        // The whole folder, since releases share code; the lock file for what they import.
        files: ["app", "local/bundle.ts", "package-lock.json"].map((name) =>
          path.join(repository, name),
        ),
        build: treeLayer((tree) => bundleApplication(source, path.join(tree, "app"))),
      };
      specs.push({
        reference: `localhost/bbq-${part}:${version.name}`,
        layers: [...below, layer],
        config: {
          User: String(users.app),
          Env: [...environment, "NODE_ENV=production"],
          WorkingDir: "/app",
          Entrypoint: ["node", "/app/server.js"],
        },
      });
    }
  }
  return specs;
}
