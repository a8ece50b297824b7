import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import path from "node:path";
import {
  loadMigrations,
  readMigrations,
  throughMigration,
} from "../../engine/files/migrationFolder";
import { repository } from "../../local/paths";
import { failureOf, mistakeOf, useFolder } from "../migrationFolder";

describe("a migrations folder", () => {
  const folder = useFolder();
  const load = () => loadMigrations(folder.path);
  const refusal = () => failureOf(load, folder);
  const mistake = () => mistakeOf(load, folder);

  it("is ordered by numbers, not by letters", async () => {
    for (const name of ["10-c.sql", "9-b.sql", "1.10-e.sql", "1.9-d.sql", "0001-a.sql"]) {
      folder.write(name, "SELECT 1");
    }
    const ids = (await load()).map(({ id }) => id);
    assert.deepEqual(ids, ["0001-a", "1.9-d", "1.10-e", "9-b", "10-c"]);
  });

  it("reads a phased migration with its files in the order of phases", async () => {
    for (const name of ["undo.sql", "contract.sql", "checks/b.sql", "checks/a.sql", "expand.sql"]) {
      folder.write(`0003-warehouse-address/${name}`, "SELECT 1");
    }
    const [migration] = await load();
    assert.equal(migration?.kind, "phased");
    assert.deepEqual(
      migration.files.map((file) => [file.phase, file.path]),
      [
        ["expand", "0003-warehouse-address/expand.sql"],
        ["check", "0003-warehouse-address/checks/a.sql"],
        ["check", "0003-warehouse-address/checks/b.sql"],
        ["contract", "0003-warehouse-address/contract.sql"],
        ["undo", "0003-warehouse-address/undo.sql"],
      ],
    );
  });

  it("gives the same digest whatever the line ends are", async () => {
    folder.write("0001-a.sql", "SELECT 1;\nSELECT 'a\nb';\n");
    const [unix] = await load();
    folder.write("0001-a.sql", "SELECT 1;\r\nSELECT 'a\r\nb';\r\n");
    const [windows] = await load();
    assert.equal(windows?.digest, unix?.digest);
    folder.write("0001-a.sql", "SELECT 1;\nSELECT 'a\n b';\n");
    const [edited] = await load();
    assert.notEqual(edited?.digest, unix?.digest);
  });

  it("changes a migration's digest when a file of it is renamed", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write("0001-a/contract.sql", "SELECT 2");
    const [before] = await load();
    folder.remove("0001-a/contract.sql");
    folder.write("0001-a/abort.sql", "SELECT 2");
    const [after_] = await load();
    assert.notEqual(before?.digest, after_?.digest);
  });

  it("accepts a README and files that editors hide", async () => {
    folder.write("README.md", "# Migrations");
    folder.write(".0001-a.sql.swp", "\0");
    folder.write("0001-a.sql", "SELECT 1");
    assert.equal((await load()).length, 1);
  });

  it("refuses a folder that does not exist", async () => {
    assert.equal(
      await failureOf(() => loadMigrations("no/such/folder")),
      "UserError: The migrations folder no/such/folder does not exist.\n  Next: name the folder that holds 0001-....sql",
    );
  });

  it("refuses two migrations with the same number", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    folder.write("1-b.sql", "SELECT 1");
    assert.deepEqual(await mistake(), [
      "0001-a and 1-b have the same number 1.",
      "  Give the newer one the next free number.",
    ]);
  });

  it("refuses names that do not follow the rule, however they are made", async () => {
    for (const name of [
      "bookkeeper.sql",
      "0001.sql",
      "0001-a.sql~",
      "0001-a b.sql",
      "1-\u001b[31m.sql",
    ]) {
      folder.write(name, "SELECT 1");
      assert.deepEqual(await mistake(), [
        `${JSON.stringify(path.join("migrations", name))} is not the name of a migration.`,
        "  Allowed: <number>-<name>.sql or a folder <number>-<name>/, like 0001-bookkeeper.sql; letters, digits, '-', '_' and '.'.",
      ]);
      folder.remove(name);
    }
  });

  it("refuses a symbolic link", async () => {
    symlinkSync("/etc/hostname", path.join(folder.path, "0001-a.sql"));
    assert.deepEqual(await mistake(), [
      "migrations/0001-a.sql is a symbolic link.",
      "  Put the file itself there: its bytes are hashed.",
    ]);
  });

  it("refuses files that a phased migration does not have", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write("0001-a/backfill.sql", "SELECT 1");
    assert.deepEqual(await mistake(), [
      '"migrations/0001-a/backfill.sql" is not part of a phased migration.',
      "  Allowed: expand.sql, sync.yaml, contract.sql, abort.sql, undo.sql, integrity.yaml and checks/*.sql, as ordinary files.",
    ]);
  });

  it("refuses a phased migration without expand.sql", async () => {
    folder.write("0001-a/contract.sql", "SELECT 1");
    assert.deepEqual(await mistake(), [
      "migrations/0001-a has no expand.sql.",
      "  A phased migration starts with expand.sql.",
    ]);
  });

  it("refuses what a later version will support, instead of ignoring it", async () => {
    folder.write("source.yaml", "from: flyway");
    assert.deepEqual(await mistake(), [
      "migrations/source.yaml is not supported yet.",
      "  Move it out of the migrations folder.",
    ]);
  });

  const texts: [name: string, text: string | Buffer, message: string[]][] = [
    [
      "an empty file",
      "\n",
      ["migrations/0001-a.sql is empty.", "  Write a statement, or delete the file."],
    ],
    [
      "a file of comments",
      "-- later\n/* perhaps */ ;\n",
      ["migrations/0001-a.sql holds no statement.", "  Write a statement, or delete the file."],
    ],
    [
      "a byte-order mark",
      "\ufeffSELECT 1",
      [
        "migrations/0001-a.sql:1:1 starts with a byte-order mark (EF BB BF).",
        "  Save the file as UTF-8 without a byte-order mark.",
      ],
    ],
    [
      "UTF-16",
      Buffer.from("\ufeffSELECT 1", "utf16le"),
      ["migrations/0001-a.sql is not UTF-8 but looks like UTF-16.", "  Save it as UTF-8."],
    ],
    [
      "bytes that are not UTF-8",
      Buffer.from("SELECT 1;\r\nSELECT 'caf\xe9'", "latin1"),
      [
        "The byte 0xe9 is not UTF-8.",
        "  migrations/0001-a.sql:2:12",
        "  2 | SELECT 'caf\ufffd'",
        "    |            ^",
      ],
    ],
    [
      "a zero byte, at which the parser would stop reading",
      "SELECT 1;\n\0DROP TABLE t",
      [
        "A zero byte cannot be part of SQL.",
        "  migrations/0001-a.sql:2:1",
        "  2 | \ufffdDROP TABLE t",
        "    | ^",
      ],
    ],
    [
      "a syntax error, at the character and not at the byte",
      "SELECT 'ä🙂'; CREAT TABLE t ()",
      [
        'syntax error at or near "CREAT".',
        "  migrations/0001-a.sql:1:14",
        "  1 | SELECT 'ä🙂'; CREAT TABLE t ()",
        "    |              ^",
      ],
    ],
    [
      "a command of psql",
      "SELECT 1;\n\\connect other\n",
      [
        "\\connect is a command of psql, not SQL.",
        "  migrations/0001-a.sql:2:1",
        "  2 | \\connect other",
        "    | ^",
        "  fix: remove it: the engine sends SQL only",
      ],
    ],
    [
      "COPY FROM STDIN with its rows",
      "CREATE TABLE t (a int, b int);\nCOPY t (a, b) FROM stdin;\n1\t2\n\\.\n",
      [
        "COPY FROM STDIN needs psql at the other end.",
        "  migrations/0001-a.sql:2:1",
        "  2 | COPY t (a, b) FROM stdin;",
        "    | ^",
        "  fix: write the rows as INSERT INTO ... VALUES",
      ],
    ],
    [
      "COPY FROM STDIN whose rows begin with what looks like a comment",
      "SELECT 1;\nCOPY t FROM STDIN;\n-- hi\n1\tfoo\n\\.\n",
      [
        "COPY FROM STDIN needs psql at the other end.",
        "  migrations/0001-a.sql:2:1",
        "  2 | COPY t FROM STDIN;",
        "    | ^",
        "  fix: write the rows as INSERT INTO ... VALUES",
      ],
    ],
    [
      "COPY TO STDOUT",
      "COPY t TO STDOUT",
      [
        "COPY TO STDOUT needs psql at the other end.",
        "  migrations/0001-a.sql:1:1",
        "  1 | COPY t TO STDOUT",
        "    | ^",
        "  fix: remove it: a migration has no output",
      ],
    ],
    [
      "COPY FROM STDIN without rows",
      "COPY t FROM STDIN",
      [
        "COPY FROM STDIN needs psql at the other end.",
        "  migrations/0001-a.sql:1:1",
        "  1 | COPY t FROM STDIN",
        "    | ^",
        "  fix: write the rows as INSERT INTO ... VALUES",
      ],
    ],
    [
      "a concurrent index without a name",
      "CREATE INDEX CONCURRENTLY ON t (a)",
      [
        "an index that is built concurrently needs a name, or a crashed build could not be recognised.",
        "  migrations/0001-a.sql:1:1",
        "  1 | CREATE INDEX CONCURRENTLY ON t (a)",
        "    | ^",
        "  fix: CREATE INDEX CONCURRENTLY <name> ON ...",
      ],
    ],
    [
      "a BEGIN without COMMIT",
      "BEGIN;\nSELECT 1;",
      ["This BEGIN has no COMMIT.", "  migrations/0001-a.sql:1:1", "  1 | BEGIN;", "    | ^"],
    ],
    [
      "a COMMIT without BEGIN",
      "SELECT 1;\nCOMMIT;",
      ["COMMIT without BEGIN.", "  migrations/0001-a.sql:2:1", "  2 | COMMIT;", "    | ^"],
    ],
    [
      "a concurrent index inside a transaction",
      "BEGIN;\nCREATE INDEX CONCURRENTLY i ON t (a);\nCOMMIT;",
      [
        "PostgreSQL refuses this statement inside a transaction.",
        "  migrations/0001-a.sql:2:1",
        "  2 | CREATE INDEX CONCURRENTLY i ON t (a);",
        "    | ^",
        "  fix: move it behind COMMIT",
      ],
    ],
    [
      "a syntax error next to a password, without showing the password",
      "CREATE ROLE a PASSWORD 'hunter2' BOGUS",
      [
        'unrecognized role option "bogus".',
        "  migrations/0001-a.sql:1:34",
        "  1 | CREATE ROLE a PASSWORD '*******' BOGUS",
        "    |                                  ^",
      ],
    ],
  ];
  for (const [name, text, message] of texts) {
    it(`refuses ${name}`, async () => {
      folder.write("0001-a.sql", text);
      assert.deepEqual(await mistake(), message);
    });
  }

  it("refuses a check that is not one query", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write("0001-a/checks/x.sql", "SELECT 1; DELETE FROM t");
    assert.deepEqual(await mistake(), [
      "A check is one query that returns the rows that are wrong.",
      "  migrations/0001-a/checks/x.sql:1:11",
      "  1 | SELECT 1; DELETE FROM t",
      "    |           ^",
      "  fix: write one SELECT a file",
    ]);
  });

  it("shows an alias of a sync.yaml or policy.yaml that has no anchor", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write("0001-a/sync.yaml", "table: *warehouses\n");
    const problem = "Unresolved alias (the anchor must be set before the alias): warehouses";
    assert.deepEqual(await mistake(), [
      problem,
      "  migrations/0001-a/sync.yaml:1:8",
      "  1 | table: *warehouses",
      "    |        ^",
    ]);
    folder.write("policy.yaml", "lateFiles: *warehouses\n");
    assert.equal(
      await refusal(),
      [
        "UserError: migrations/policy.yaml is not a policy.",
        problem,
        "migrations/policy.yaml:1:12",
        "1 | lateFiles: *warehouses",
        "  |            ^",
        "Next: correct migrations/policy.yaml",
      ].join("\n  "),
    );
  });

  it("says when policy.yaml cannot be read", async () => {
    folder.write("policy.yaml/0001-a.sql", "SELECT 1");
    assert.equal(
      await refusal(),
      [
        "UserError: migrations/policy.yaml cannot be read.",
        "EISDIR: illegal operation on a directory, read",
        "Next: make it a file that you may read, or remove it",
      ].join("\n  "),
    );
  });

  it("reports all mistakes of a folder at once", async () => {
    folder.write("0001-a.sql", "SELEC 1");
    folder.write("0002-b.sql", "");
    folder.write("c.sql", "SELECT 1");
    assert.match(await refusal(), /have 3 mistakes; nothing was run\./);
  });

  it("can be read without the parser, for runs with nothing to do", () => {
    folder.write("0001-a.sql", "SELEC 1");
    assert.deepEqual(
      readMigrations(folder.path).map(({ id }) => id),
      ["0001-a"],
    );
  });

  it("is read without the shapes of files that it does not have", () => {
    folder.write("0001-a.sql", "SELECT 1");
    const script = `
      require("./dist/engine/files/migrationFolder.js").readMigrations(${JSON.stringify(folder.path)});
      console.log(Object.keys(require.cache).some((file) => file.includes("/zod/")));`;
    const isLoaded = (): string =>
      execFileSync(process.execPath, ["-e", script], { cwd: repository, encoding: "utf8" }).trim();
    assert.equal(isLoaded(), "false");
    folder.write("policy.yaml", "");
    assert.equal(isLoaded(), "true");
  });

  it("may hold the character that stands for bytes that are none", async () => {
    folder.write("0001-a.sql", "SELECT '\ufffd'");
    assert.equal((await load())[0]?.files[0]?.text, "SELECT '\ufffd'");
  });

  it("is cut off after a release's last migration, and names what there is", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    folder.write("0002-b.sql", "SELECT 1");
    const migrations = await load();
    assert.deepEqual(
      throughMigration(migrations, "0001-a").map(({ id }) => id),
      ["0001-a"],
    );
    assert.throws(() => throughMigration(migrations, "0003-c"), {
      message:
        'There is no migration "0003-c".\n  The folder holds: 0001-a, 0002-b.\n  Next: name one of these, or add the file',
    });
  });
});
