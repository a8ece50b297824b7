import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repository } from "../../local/paths";
import type { Command } from "./command";
import type { Tools } from "./tools";

/** One migration, as every tool gets it. */
export interface Step {
  /** A word. */
  readonly name: string;
  /** One statement, without semicolon. */
  readonly sql: string;
  /** It cannot run in a transaction. */
  readonly alone?: boolean;
  /** The same in pgroll's own words, where it is not meant to run SQL. */
  readonly pgroll?: object;
}

/** A migration tool that keeps a history in the database. */
export interface Tool {
  readonly name: string;
  /** Writes migrations into an empty folder in the tool's own format, as its users would. */
  write(folder: string, steps: readonly Step[]): void;
  /** Commands that must have run before the first `up` of a database; not measured. */
  prepare?(url: string, folder: string): Command;
  /** Applies what is pending. */
  up(url: string, folder: string): Command;
}

export const ours: Tool = {
  name: "ours",
  write: (folder, steps) => {
    eachStep(steps, (number, { name, sql }) => {
      put(folder, `${number}-${name}.sql`, `${sql};\n`);
    });
  },
  up: (url, folder) => ({
    program: process.execPath,
    args: [path.join(repository, "dist", "migrations.js"), "apply"].concat([
      "--folder",
      folder,
      "--database-url",
      url,
    ]),
    cwd: folder,
  }),
};

/** Every peer with its own defaults, and one migration a transaction where it has the choice. */
export function peersOf(tools: Tools): readonly Tool[] {
  return [
    pgroll(tools),
    goose(tools),
    tern(tools),
    golangMigrate(tools),
    dbmate(tools),
    nodePgMigrate(tools, "node-pg-migrate", "--no-single-transaction"),
    nodePgMigrate(tools, "node-pg-migrate (one transaction)", "--single-transaction"),
    graphileMigrate(tools),
    liquibase(tools),
  ];
}

function pgroll(tools: Tools): Tool {
  const connection = (url: string) => ["--postgres-url", url];
  const program = tools.go("pgroll");
  return {
    name: "pgroll",
    write: (folder, steps) => {
      eachStep(steps, (number, { name, sql, pgroll: own }) => {
        const operations = [own ?? { sql: { up: sql } }];
        put(folder, `${number}_${name}.json`, JSON.stringify({ operations }));
      });
    },
    prepare: (url, folder) => ({ program, args: ["init", ...connection(url)], cwd: folder }),
    up: (url, folder) => ({
      program,
      args: ["migrate", folder, "--complete", ...connection(url)],
      cwd: folder,
    }),
  };
}

function goose(tools: Tools): Tool {
  return {
    name: "goose",
    write: (folder, steps) => {
      eachStep(steps, (number, { name, sql, alone }) => {
        const mark = alone === true ? "-- +goose NO TRANSACTION\n" : "";
        put(folder, `0${number}_${name}.sql`, `${mark}-- +goose Up\n${sql};\n`);
      });
    },
    up: (url, folder) => ({
      program: tools.go("goose"),
      args: ["-dir", folder, "postgres", url, "up"],
      cwd: folder,
    }),
  };
}

function tern(tools: Tools): Tool {
  return {
    name: "tern",
    write: (folder, steps) => {
      eachStep(steps, (number, { name, sql, alone }) => {
        const mark = alone === true ? "---- tern: disable-tx ----\n" : "";
        put(folder, `${number}_${name}.sql`, `${mark}${sql};\n`);
      });
    },
    up: (url, folder) => ({
      program: tools.go("tern"),
      args: ["migrate", "--migrations", folder, "--conn-string", url],
      cwd: folder,
    }),
  };
}

function golangMigrate(tools: Tools): Tool {
  return {
    name: "golang-migrate",
    write: (folder, steps) => {
      eachStep(steps, (number, { name, sql }) => {
        put(folder, `${number}_${name}.up.sql`, `${sql};\n`);
      });
    },
    up: (url, folder) => ({
      program: tools.go("golang-migrate"),
      args: ["-path", folder, "-database", url, "up"],
      cwd: folder,
    }),
  };
}

function dbmate(tools: Tools): Tool {
  return {
    name: "dbmate",
    write: (folder, steps) => {
      eachStep(steps, (number, { name, sql, alone }) => {
        const mark = alone === true ? "-- migrate:up transaction:false" : "-- migrate:up";
        put(folder, `${number}_${name}.sql`, `${mark}\n${sql};\n-- migrate:down\n`);
      });
    },
    up: (url, folder) => ({
      program: tools.npm("@dbmate/linux-x64/bin/dbmate"),
      args: ["--url", url, "--migrations-dir", folder, "--no-dump-schema", "migrate"],
      cwd: folder,
    }),
  };
}

function nodePgMigrate(tools: Tools, name: string, transactions: string): Tool {
  return {
    name,
    write: (folder, steps) => {
      eachStep(steps, (number, { name: step, sql, alone }) => {
        if (alone === true) {
          const text = `exports.up = (pgm) => { pgm.noTransaction(); pgm.sql(${JSON.stringify(sql)}); };\n`;
          put(folder, `${number}_${step}.cjs`, text);
        } else put(folder, `${number}_${step}.sql`, `-- Up Migration\n${sql};\n`);
      });
    },
    up: (url, folder) => ({
      program: process.execPath,
      args: [tools.npm("node-pg-migrate/bin/node-pg-migrate.js"), "up", transactions].concat([
        "--migrations-dir",
        folder,
        "--no-verbose",
      ]),
      cwd: folder,
      env: { DATABASE_URL: url },
    }),
  };
}

function graphileMigrate(tools: Tools): Tool {
  return {
    name: "graphile-migrate",
    write: (folder, steps) => {
      put(folder, ".gmrc", JSON.stringify({ migrationsFolder: folder }));
      put(folder, "current.sql", "");
      let previous: string | undefined;
      eachStep(steps, (number, { sql, alone }) => {
        const body = `${alone === true ? "--! no-transaction\n" : ""}${sql};`;
        const before = `${previous ?? ""}\n${body.trim()}`.trim();
        const hash = `sha1:${createHash("sha1").update(`${before}\n`).digest("hex")}`;
        const head = `--! Previous: ${previous ?? "-"}\n--! Hash: ${hash}\n\n`;
        put(path.join(folder, "committed"), `00${number}.sql`, `${head}${body}\n`);
        previous = hash;
      });
    },
    up: (url, folder) => ({
      program: process.execPath,
      args: [tools.npm("graphile-migrate/dist/cli.js"), "migrate"],
      cwd: folder,
      env: { DATABASE_URL: url, NODE_ENV: "production" },
    }),
  };
}

function liquibase(tools: Tools): Tool {
  return {
    name: "liquibase",
    write: (folder, steps) => {
      const sets: string[] = [];
      eachStep(steps, (number, { name, sql, alone }) => {
        const transaction = alone === true ? " runInTransaction:false" : "";
        sets.push(`--changeset bench:${number}-${name}${transaction}\n${sql};\n`);
      });
      put(folder, "changelog.sql", `--liquibase formatted sql\n\n${sets.join("\n")}`);
    },
    up: (url, folder) => {
      const { host, pathname, username, password } = new URL(url);
      return {
        program: "sh",
        args: [
          tools.npm("liquibase/dist/liquibase/liquibase"),
          "--changelog-file=changelog.sql",
        ].concat([
          `--url=jdbc:postgresql://${host}${pathname}`,
          `--username=${username}`,
          `--password=${password}`,
          "update",
        ]),
        cwd: folder,
        env: { LIQUIBASE_ANALYTICS_ENABLED: "false" },
      };
    },
  };
}

function eachStep(steps: readonly Step[], write: (number: string, step: Step) => void): void {
  steps.forEach((step, index) => {
    write(String(index + 1).padStart(4, "0"), step);
  });
}

function put(folder: string, name: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, name), text);
}
