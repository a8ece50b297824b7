import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { ApplyResult } from "../../engine/apply";
import type { Plan } from "../../engine/plan";
import { cli } from "../engineScene";
import { useFolder } from "../migrationFolder";
import { useDatabase } from "../postgres";

describe("npm run migrations", () => {
  const database = useDatabase();
  const folder = useFolder();

  async function run(...args: string[]) {
    return runWith({}, [...args, "--database-url", database.url, "--folder", folder.path]);
  }

  async function runWith(environment: Record<string, string>, args: string[]) {
    const child = spawn(process.execPath, [cli, ...args], {
      env: { PATH: process.env.PATH ?? "", ...environment },
    });
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (data: Buffer) => (output.stdout += data.toString()));
    child.stderr.on("data", (data: Buffer) => (output.stderr += data.toString()));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    const readable = (text: string) =>
      text.replaceAll(folder.path, "migrations").replace(/\d+\.\d\d s/g, "N s");
    return { code, stdout: readable(output.stdout), stderr: readable(output.stderr) };
  }

  it("shows repeatable files beside the migrations, applies them after, and tells of both in JSON", async () => {
    folder.write("0001-menu.sql", "CREATE TABLE menu (id int);");
    folder.write("repeatable/items.sql", "CREATE OR REPLACE VIEW items AS SELECT id FROM menu;");
    assert.equal(
      (await run("plan")).stdout,
      [
        "0001-menu (pending)",
        "  1  migrations/0001-menu.sql:1  in transaction  CREATE TABLE menu (id int)",
        "repeatable/items.sql (pending)",
        "  1  migrations/repeatable/items.sql:1  in transaction  CREATE OR REPLACE VIEW items AS SELECT id FROM menu",
        "1 migration, 1 pending; 1 repeatable file, 1 to apply; no journal yet",
        "",
      ].join("\n"),
    );
    assert.equal(
      (await run("apply")).stdout,
      [
        "0001-menu: applying",
        "0001-menu: statement 1 of 1: CREATE TABLE menu (id int)",
        "0001-menu: applied in N s",
        "repeatable/items.sql: applying (pending)",
        "repeatable/items.sql: statement 1 of 1: CREATE OR REPLACE VIEW items AS SELECT id FROM menu",
        "repeatable/items.sql: applied in N s",
        "applied 1 migration and 1 repeatable file in N s",
        "",
      ].join("\n"),
    );
    assert.equal(
      (await run("apply")).stdout,
      "nothing to apply: 1 migration and 1 repeatable file settled already (N s)\n",
    );
    await database.query("CREATE OR REPLACE VIEW items AS SELECT id FROM menu LIMIT 1");
    const drift = ["view public.items: its definition was changed"];
    const [planned] = (JSON.parse((await run("status", "--json")).stdout) as Plan).repeatables;
    assert.deepEqual(
      [planned?.path, planned?.state, planned?.drift],
      ["repeatable/items.sql", "drifted", drift],
    );
    const { repeatables } = JSON.parse((await run("apply", "--json")).stdout) as ApplyResult;
    assert.deepEqual(
      repeatables.map(({ path: name, digest, applied }) => [name, digest, applied]),
      [["repeatable/items.sql", planned?.digest, true]],
    );
  });

  it("shows status and plan without writing, then applies with progress", async () => {
    folder.write(
      "0001-bookkeeper.sql",
      "CREATE TABLE menu (id int);\nCREATE INDEX CONCURRENTLY menu_id ON menu (id);",
    );
    folder.write("0002-b/expand.sql", "SELECT 1");
    assert.deepEqual(await run("status"), {
      code: 0,
      stdout:
        "0001-bookkeeper  plain   pending\n0002-b           phased  pending\n2 migrations, 2 pending; no journal yet\n",
      stderr: "",
    });
    assert.deepEqual(await run("plan"), {
      code: 0,
      stdout: [
        "0001-bookkeeper (pending)",
        "  1  migrations/0001-bookkeeper.sql:1  in transaction  CREATE TABLE menu (id int)",
        "  2  migrations/0001-bookkeeper.sql:2  alone           CREATE INDEX CONCURRENTLY menu_id ON menu (id)",
        "0002-b (pending)",
        "  1  migrations/0002-b/expand.sql:1  in transaction  SELECT 1",
        "2 migrations, 2 pending; no journal yet",
        "",
      ].join("\n"),
      stderr: "",
    });
    assert.deepEqual(
      await database.query("SELECT FROM pg_namespace WHERE nspname = 'stateful_cd'"),
      [],
    );
    assert.deepEqual(await run("apply"), {
      code: 0,
      stdout: [
        "0001-bookkeeper: applying",
        "0001-bookkeeper: statement 1 of 2: CREATE TABLE menu (id int)",
        "0001-bookkeeper: statement 2 of 2: CREATE INDEX CONCURRENTLY menu_id ON menu (id)",
        "0001-bookkeeper: applied in N s",
        "0002-b: applying",
        "0002-b: statement 1 of 1: SELECT 1",
        "0002-b: applied in N s",
        "applied 2 migrations in N s",
        "",
      ].join("\n"),
      stderr: "",
    });
    assert.deepEqual(await run("apply"), {
      code: 0,
      stdout: "nothing to apply: 2 migrations settled already (N s)\n",
      stderr: "",
    });
    assert.equal(
      (await run("status")).stdout,
      "0001-bookkeeper  plain   done\n0002-b           phased  verified\n2 migrations, 0 pending; journal at epoch 1\n",
    );
  });

  it("shows in the status what something else has changed, and takes nothing of it for its own", async () => {
    folder.write("0001-a.sql", "CREATE TABLE menu (id int)");
    await run("apply");
    await database.query("ALTER TABLE menu ADD price int; CREATE TABLE by_hand (id int)");
    const expected = ["table public.by_hand added", "table public.menu: column price added"];
    assert.equal(
      (await run("status")).stdout,
      [
        "0001-a  plain  done",
        "1 migration, 0 pending; journal at epoch 1",
        "",
        "changed since the last run that succeeded:",
        ...expected.map((line) => `  ${line}`),
        "",
      ].join("\n"),
    );
    const { drift } = JSON.parse((await run("status", "--json")).stdout) as { drift: string[] };
    assert.deepEqual(drift, expected);
  });

  it("prints one JSON document with --json", async () => {
    folder.write("0001-a.sql", "CREATE TABLE menu (id int)");
    folder.write("0002-b.sql", "SELECT 1");
    const applied = await run("apply", "--json", "--through", "0001-a");
    const result = JSON.parse(applied.stdout) as { migrations: { id: string; state: string }[] };
    assert.deepEqual(
      result.migrations.map(({ id, state }) => [id, state]),
      [["0001-a", "done"]],
    );
    const plan = JSON.parse((await run("plan", "--json")).stdout) as { migrations: unknown[] };
    assert.equal(plan.migrations.length, 2);
  });

  it("plans what follows the statements, and contracts once the old login is gone", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (id int PRIMARY KEY, a text)");
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b text");
    folder.write(
      "0002-b/sync.yaml",
      "table: t\nold: [a]\nnew: [b]\nforward: { b: a }\nreverse: { a: b }\n",
    );
    await run("apply", "--through", "0001-a");
    assert.equal(
      (await run("plan")).stdout,
      [
        "0002-b (pending)",
        "  1  migrations/0002-b/expand.sql:1  in transaction  ALTER TABLE t ADD b text",
        "       locks public.t: ACCESS EXCLUSIVE",
        "  sync      t: a <-> b",
        "  backfill  all rows of t; rows that do not convert: block",
        "  audit     every row",
        "  contract  a becomes _dropped_a; once no old release is connected",
        "2 migrations, 1 pending; journal at epoch 1",
        "",
      ].join("\n"),
    );
    await run("apply");
    const role = `old_${database.name}`;
    await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    const old = await database.connect({ user: role, password: "x", application_name: "one" });
    const contract = ["contract", "--old-role", role];
    assert.deepEqual(await run(...contract), {
      code: 0,
      stdout: `0002-b  verified  waits: an old release is connected: ${role} has a session ('one')\n`,
      stderr: "",
    });
    await old.end();
    assert.deepEqual(await run(...contract, "--soak", "0", "--without-statements"), {
      code: 0,
      stdout: "0002-b: contracting\n0002-b: contracted\n0002-b  contracted\n",
      stderr: "",
    });
    const undone = await run("undo", "0002-b", "--json");
    assert.deepEqual(JSON.parse(undone.stdout), { id: "0002-b", state: "verified", undone: true });
    assert.equal(
      (await run("undo", "0002-b")).stdout,
      "0002-b is not contracted: nothing to undo\n",
    );
    assert.equal(
      (await run("abort", "0002-b")).stdout,
      "0002-b: taking it back\n0002-b: aborted\n0002-b: aborted\n",
    );
    assert.deepEqual(await run("abort"), {
      code: 2,
      stdout: "",
      stderr:
        "abort needs to know which migration.\n  Next: npm run migrations -- abort <id>, one of npm run migrations -- status\n",
    });
    await run("apply");
    assert.deepEqual(await run("contract", "--old-role", "nobody_at_all"), {
      code: 1,
      stdout: "",
      stderr: "There is no role nobody_at_all.\n  Next: correct --old-role\n",
    });
    assert.deepEqual(await run("contract"), {
      code: 2,
      stdout: "",
      stderr: [
        "contract needs to know which logins are of old releases.",
        "As long as one of them has a session, the old shape stays.",
        "Next: npm run migrations -- contract --old-role <login of the old release>\n",
      ].join("\n  "),
    });
  });

  it("exits 1 when the run fails or would be refused, with the error on stderr", async () => {
    folder.write("0001-a.sql", "SELECT 1/0");
    const failed = await run("apply");
    assert.equal(failed.code, 1);
    assert.match(
      failed.stderr,
      /^Migration 0001-a failed: division by zero \(22012\)\.\n {2}migrations\/0001-a\.sql:1:1 /,
    );
    const refused = await run("plan", "--through", "0009-z");
    assert.deepEqual([refused.code, refused.stderr], [1, ""]);
    assert.match(refused.stdout, /apply would refuse:\nThere is no migration "0009-z"\./);
  });

  it("tells programs of an error where they read the result, and people on stderr", async () => {
    folder.write("0001-a.sql", "SELECT 1/0");
    const failed = await run("apply", "--json");
    const { error } = JSON.parse(failed.stdout) as { error: Record<string, unknown> };
    assert.deepEqual(
      [failed.code, error.problem, error.next, `${String(error.message)}\n`],
      [
        1,
        "Migration 0001-a failed: division by zero (22012).",
        "correct migrations/0001-a.sql, then run the same command again: it goes on where this stopped",
        failed.stderr,
      ],
    );
    const wrong = await runWith({}, ["redo", "--json"]);
    assert.equal(wrong.code, 2);
    assert.deepEqual((JSON.parse(wrong.stdout) as { error: unknown }).error, {
      message: wrong.stderr.trimEnd(),
      problem: 'The command line has "redo".',
      details: ["Allowed: status, plan, apply, audit, contract, abort, undo, squash."],
      next: "npm run migrations -- --help",
    });
  });

  it("refuses another history with the folder that it was given", async () => {
    const apply = () =>
      runWith({}, ["apply", "--database-url", database.url, "--folder", `${folder.path}/shop`]);
    folder.write("shop/0001-a.sql", "SELECT 1");
    await apply();
    folder.write("shop/0001-a.sql", "SELECT 2");
    assert.equal(
      (await apply()).stderr.split("\n").at(-2),
      "  Next: restore applied files from version control (git log --stat -- migrations/shop) and put every change into a new migration",
    );
  });

  it("exits 2 when the command line is wrong, and says what is allowed", async () => {
    const next = "  Next: npm run migrations -- --help\n";
    const allowed = "  Allowed: status, plan, apply, audit, contract, abort, undo, squash.\n";
    assert.deepEqual(await runWith({}, []), {
      code: 2,
      stdout: "",
      stderr: `The command line has no command.\n${allowed}${next}`,
    });
    assert.deepEqual(
      (await runWith({}, ["redo"])).stderr,
      `The command line has "redo".\n${allowed}${next}`,
    );
    const unknown = await runWith({}, ["plan", "--force"]);
    assert.deepEqual([unknown.code, unknown.stderr], [2, `Unknown option '--force'\n${next}`]);
    const nobody = await runWith({}, ["contract", "--old-role", "reader", "--old-role", ""]);
    const why = "A variable without a value gives an empty text.";
    assert.deepEqual([nobody.code, nobody.stderr], [2, `--old-role is empty.\n  ${why}\n${next}`]);
    assert.equal((await runWith({}, ["--help"])).code, 0);
  });

  it("never prints a password", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    const urls = [
      `postgresql://postgres:canary-secret@127.0.0.1:${database.server.port}/postgres`,
      "postgresql://postgres:canary-secret@127.0.0.1:1/postgres",
      "postgresql://postgres:canary-secret@[broken/postgres",
      "mysql://postgres:canary-secret@127.0.0.1/postgres",
      "host=127.0.0.1 password=canary-secret",
    ];
    for (const url of urls) {
      const { code, stdout, stderr } = await runWith({}, [
        "apply",
        "--database-url",
        url,
        "--folder",
        folder.path,
      ]);
      assert.notEqual(code, 0);
      assert.notEqual(stderr, "");
      assert.equal(`${stdout}${stderr}`.includes("canary-secret"), false, stderr);
    }
  });

  it("says what mends a connection that fails the same way each time", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    const url = new URL(database.url);
    const failure = async (change: (url: URL) => void, environment = {}) => {
      const changed = new URL(url);
      change(changed);
      const args = ["status", "--folder", folder.path, "--database-url", changed.href];
      const { code, stderr } = await runWith({ NODE_NO_WARNINGS: "1", ...environment }, args);
      return [code, ...stderr.split("\n  ")];
    };
    const failed = "The connection to PostgreSQL failed.";
    assert.deepEqual(
      await failure(({ searchParams }) => {
        searchParams.set("sslmode", "require");
      }),
      [
        1,
        failed,
        "The server does not support SSL connections",
        "Next: leave sslmode and PGSSLMODE out, or set up TLS on the server (ssl = on)\n",
      ],
    );
    assert.deepEqual(await failure((one) => (one.password = "")), [
      1,
      failed,
      "SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string",
      "Next: give the password in the URL or in PGPASSWORD\n",
    ]);
    assert.deepEqual(await failure((one) => (one.port = ""), { PGPORT: "none" }), [
      1,
      failed,
      "Port should be >= 0 and < 65536. Received type number (NaN).",
      "Next: correct the port in the URL or in PGPORT\n",
    ]);
    assert.deepEqual(
      await failure(({ searchParams }) => {
        searchParams.set("sslrootcert", "/none.pem");
      }),
      [
        1,
        failed,
        "ENOENT: no such file or directory, open '/none.pem'",
        "Next: correct the name of the certificate's file\n",
      ],
    );
  });

  it("finishes a run whose output nobody reads any more", async () => {
    folder.write("0001-a.sql", "CREATE TABLE menu (id int)");
    folder.write("0002-b.sql", "SELECT pg_sleep(0.2)");
    folder.write("0003-c.sql", "CREATE TABLE items (id int)");
    const args = ["apply", "--database-url", database.url, "--folder", folder.path];
    const child = spawn(process.execPath, [cli, ...args]);
    let stderr = "";
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
    child.stdout.once("data", () => child.stdout.destroy());
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal((await database.query("SELECT FROM stateful_cd.migrations")).length, 3);
  });

  it("fails, after the run, when its output cannot be written", async () => {
    folder.write("0001-a.sql", "CREATE TABLE menu (id int)");
    const args = ["apply", "--database-url", database.url, "--folder", folder.path];
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [cli, ...args], { stdio: ["ignore", full, "pipe"] });
    closeSync(full);
    let stderr = "";
    child.stderr?.on("data", (data: Buffer) => (stderr += data.toString()));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    assert.deepEqual(
      [code, stderr],
      [
        1,
        "The output cannot be written: ENOSPC: no space left on device, write.\n" +
          "  Next: free space where the output goes; npm run migrations -- status says what is done\n",
      ],
    );
    assert.equal((await database.query("SELECT FROM stateful_cd.migrations")).length, 1);
  });

  it("connects by libpq's own variables without --database-url", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    const { host, port, user, password } = database.server;
    const environment = {
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGPASSWORD: password,
      PGDATABASE: database.name,
    };
    const { code, stderr } = await runWith(environment, ["apply", "--folder", folder.path]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal((await database.query("SELECT FROM stateful_cd.migrations")).length, 1);
  });
});
