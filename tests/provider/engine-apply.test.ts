import { strict as assert } from "node:assert";
import type { ApplyResult } from "../../engine/apply";
import type { Progress } from "../../engine/progress";
import { intercepted, useEngine } from "../engineScene";

describe("applying migrations", () => {
  const { database, folder, load, apply, refusal } = useEngine();
  const steps = () =>
    database.query(
      `SELECT migration, first_statement AS first, last_statement AS last, alone, state
         FROM stateful_cd.steps ORDER BY migration, first_statement`,
    );
  const states = (result: ApplyResult) =>
    result.migrations.map(({ id, state, applied }) => `${id} ${state}${applied ? " now" : ""}`);

  it("applies what is pending, in order, and nothing twice", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (id int)");
    folder.write("0002-b.sql", "INSERT INTO t VALUES (1)");
    assert.deepEqual(states(await apply()), ["0001-a done now", "0002-b done now"]);
    folder.write("0010-c.sql", "INSERT INTO t VALUES (2)");
    folder.write("0009-d.sql", "ALTER TABLE t ADD x int; UPDATE t SET x = id");
    assert.deepEqual(states(await apply()), [
      "0001-a done",
      "0002-b done",
      "0009-d done now",
      "0010-c done now",
    ]);
    assert.deepEqual(
      states(await apply()).filter((state) => state.endsWith("now")),
      [],
    );
    assert.deepEqual(await database.query("SELECT id, x FROM t ORDER BY id"), [
      { id: 1, x: 1 },
      { id: 2, x: null },
    ]);
  });

  it("stops at the last migration asked for, and goes on from there", async () => {
    folder.write("0001-a.sql", "CREATE TABLE a ()");
    folder.write("0002-b.sql", "CREATE TABLE b ()");
    assert.deepEqual(states(await apply({ through: "0001-a" })), ["0001-a done now"]);
    assert.deepEqual(states(await apply()), ["0001-a done", "0002-b done now"]);
    assert.deepEqual(states(await apply({ through: "0001-a" })), ["0001-a done"]);
  });

  it("writes nothing when nothing is pending", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    const first = await apply();
    const second = await apply();
    assert.equal(second.journal?.epoch, first.journal?.epoch);
    assert.deepEqual(await database.query("SELECT epoch, outcome FROM stateful_cd.runs"), [
      { epoch: "1", outcome: "done" },
    ]);
  });

  it("leaves an empty database empty when there is no migration", async () => {
    assert.deepEqual((await apply()).migrations, []);
    const found = await database.query("SELECT FROM pg_namespace WHERE nspname = 'stateful_cd'");
    assert.deepEqual(found, []);
  });

  it("commits a file and its journal row together, or neither", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\nSELECT 1 / 0;\n",
    );
    assert.equal(
      await refusal(),
      [
        "UserError: Migration 0001-a failed: division by zero (22012).",
        "migrations/0001-a.sql:3:1 (statement 3 of 3)",
        "3 | SELECT 1 / 0;",
        "  | ^",
        "Nothing of this file was kept: its transaction was rolled back.",
        "Next: correct migrations/0001-a.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
    assert.deepEqual(await database.query("SELECT to_regclass('t') AS t"), [{ t: null }]);
    assert.deepEqual(await database.query("SELECT FROM stateful_cd.migrations"), []);
    assert.deepEqual(await database.query("SELECT outcome, error FROM stateful_cd.runs"), [
      { outcome: "failed", error: "Migration 0001-a failed: division by zero (22012)." },
    ]);
  });

  it("runs nothing behind a BEGIN that fails", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t ()");
    const connect = async () =>
      intercepted(await database.connect(), (text, send) =>
        send(text.includes("client_connection_check_interval = 1000") ? "BEGIN AT ALL" : undefined),
      );
    assert.match(await refusal({ connect }), /syntax error at or near "AT"/);
    assert.deepEqual(await database.query("SELECT to_regclass('t') AS t"), [{ t: null }]);
    assert.deepEqual(await database.query("SELECT FROM stateful_cd.migrations"), []);
  });

  it("records each part of a file that mixes both kinds", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2);\nCREATE INDEX CONCURRENTLY t_a ON t (a);\nALTER TABLE t ADD c int;",
    );
    assert.deepEqual(states(await apply()), ["0001-a done now"]);
    const state = "done";
    assert.deepEqual(await steps(), [
      { migration: "0001-a", first: 1, last: 2, alone: false, state },
      { migration: "0001-a", first: 3, last: 3, alone: true, state },
      { migration: "0001-a", first: 4, last: 4, alone: false, state },
    ]);
  });

  it("goes on behind what is done after the author has corrected the rest", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (a int);\nCREATE INDEX CONCURRENTLY t_a ON t (a);\nALTER TABLE t ADD b inte;",
    );
    assert.equal(
      await refusal(),
      [
        'UserError: Migration 0001-a failed: type "inte" does not exist (42704).',
        "migrations/0001-a.sql:3:21 (statement 3 of 3)",
        "3 | ALTER TABLE t ADD b inte;",
        "  |                     ^",
        "Statements 1 to 2 of this file are done and stay; the rest was rolled back.",
        "Next: correct migrations/0001-a.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (a int);\nCREATE INDEX CONCURRENTLY t_a ON t (a);\nALTER TABLE t ADD b integer;",
    );
    assert.deepEqual(states(await apply()), ["0001-a done now"]);
    assert.deepEqual(states(await apply()), ["0001-a done"]);
  });

  it("runs a procedure that commits outside of any transaction, found by trying", async () => {
    folder.write(
      "0001-a.sql",
      `CREATE TABLE t (a int);
       CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$
         BEGIN FOR i IN 1..3 LOOP INSERT INTO t VALUES (i); COMMIT; END LOOP; END $$;
       CALL fill();
       DO $$ BEGIN INSERT INTO t VALUES (4); COMMIT; END $$;
       DROP PROCEDURE fill;`,
    );
    await apply();
    assert.deepEqual(await database.query("SELECT count(*)::int AS n FROM t"), [{ n: 4 }]);
    assert.deepEqual(
      (await steps()).map(({ first, last, alone }) => [first, last, alone]),
      [
        [1, 2, false],
        [3, 3, true],
        [4, 4, true],
        [5, 5, false],
      ],
    );
  });

  it("commits a file's own transactions with their journal rows", async () => {
    folder.write(
      "0001-a.sql",
      "BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE t AS SELECT current_setting('transaction_isolation') AS level; COMMIT;\nBEGIN; INSERT INTO t VALUES ('x'); SELECT 1/0; COMMIT;",
    );
    await refusal();
    assert.deepEqual(await database.query("SELECT level FROM t"), [{ level: "serializable" }]);
    assert.deepEqual(
      (await steps()).map(({ first, last }) => [first, last]),
      [[1, 3]],
    );
  });

  it("adds an enum's value and uses it in the same file", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (m mood); ALTER TYPE mood ADD VALUE 'fine'; INSERT INTO t VALUES ('fine')",
    );
    await apply();
    assert.deepEqual(await database.query("SELECT m FROM t"), [{ m: "fine" }]);
  });

  it("verifies a phased migration by its checks", async () => {
    folder.write("0001-a/expand.sql", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    folder.write("0001-a/checks/positive.sql", "SELECT * FROM t WHERE a < 0");
    folder.write("0001-a/contract.sql", "DROP TABLE t");
    assert.deepEqual(states(await apply()), ["0001-a verified now"]);
    assert.deepEqual(states(await apply()), ["0001-a verified"]);
    assert.deepEqual(await database.query("SELECT a FROM t"), [{ a: 1 }]);
  });

  it("is blocked by a check that finds rows, and repeats only the checks", async () => {
    folder.write("0001-a/expand.sql", "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (-2)");
    folder.write("0001-a/checks/positive.sql", "SELECT a FROM t WHERE a < 0 -- all\n");
    assert.equal(
      await refusal(),
      [
        "UserError: Migration 0001-a is blocked: its check migrations/0001-a/checks/positive.sql found rows that are wrong.",
        '{"a":-2}',
        "Next: correct the data (or the check), then run the same command again: only the checks are repeated",
      ].join("\n  "),
    );
    assert.deepEqual(await database.query("SELECT state, reason FROM stateful_cd.migrations"), [
      { state: "blocked", reason: "0001-a/checks/positive.sql returned rows" },
    ]);
    await refusal();
    await database.query("UPDATE t SET a = 2 WHERE a < 0");
    assert.deepEqual(states(await apply()), ["0001-a verified now"]);
  });

  it("lets a check change nothing, whatever it calls", async () => {
    folder.write(
      "0001-a/expand.sql",
      "CREATE TABLE t (); CREATE FUNCTION f() RETURNS SETOF int LANGUAGE sql AS 'INSERT INTO t DEFAULT VALUES; SELECT 1 WHERE false'",
    );
    folder.write("0001-a/checks/f.sql", "SELECT f()");
    assert.match(
      await refusal(),
      /^UserError: Migration 0001-a failed: cannot execute INSERT in a read-only transaction \(25006\)\.\n {2}migrations\/0001-a\/checks\/f\.sql:1:1 /,
    );
  });

  it("gives up on a table lock at its deadline and names who holds it", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (a int)");
    await apply();
    folder.write("0002-b.sql", "SELECT 1;\nALTER TABLE t ADD b int;");
    const reader = await database.connect({ application_name: "report's" });
    await reader.query("BEGIN; SELECT * FROM t");
    const told: Progress[] = [];
    const message = await refusal({
      tableLockDeadlineSeconds: 2,
      onProgress: (progress) => told.push(progress),
    });
    assert.equal(
      message
        .replace(/pid \d+/g, "pid N")
        .replace(/backend\(\d+\)/g, "backend(N)")
        .replace(/for \d+ s,/g, "for S s,"),
      [
        "UserError: Migration 0002-b stopped: others hold public.t.",
        "migrations/0002-b.sql:2:1 (statement 2 of 2)",
        "2 | ALTER TABLE t ADD b int;",
        "  | ^",
        "blocked by pid N, user postgres, application 'report''s', idle in transaction for S s, query: BEGIN; SELECT * FROM t",
        "Waited 2 s for them without asking for a lock, so that nobody queued behind it.",
        "Nothing of this file was kept: its transaction was rolled back.",
        "Next: wait until they have ended, or end them: SELECT pg_terminate_backend(N); then run the same command again",
      ].join("\n  "),
    );
    assert.equal(
      told.some(
        ({ event, message: text }) =>
          event === "waiting" && text.startsWith("not asking for public.t yet"),
      ),
      true,
    );
    await reader.query("COMMIT");
    assert.deepEqual(states(await apply()), ["0001-a done", "0002-b done now"]);
  });

  it("applies within its deadline once the lock is free", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (a int)");
    await apply();
    folder.write("0002-b.sql", "ALTER TABLE t ADD b int");
    const reader = await database.connect();
    await reader.query("BEGIN; SELECT * FROM t");
    const applied = apply();
    await new Promise((resolve) => setTimeout(resolve, 700));
    await reader.query("COMMIT");
    assert.deepEqual(states(await applied), ["0001-a done", "0002-b done now"]);
  });

  it("takes hostile identifiers and texts as they are", async () => {
    folder.write(
      "0001-it.s-a_Name.sql",
      `CREATE TABLE "a""b'; DROP TABLE x; --" ("c\\d" text DEFAULT E'\\'');
       CREATE INDEX CONCURRENTLY "i""'x" ON "a""b'; DROP TABLE x; --" ("c\\d");
       REINDEX INDEX CONCURRENTLY "i""'x";
       DROP INDEX CONCURRENTLY "i""'x";`,
    );
    assert.deepEqual(states(await apply()), ["0001-it.s-a_Name done now"]);
    const [row] = await database.query("SELECT content FROM stateful_cd.files");
    assert.equal(row?.content, (await load())[0]?.files[0]?.text);
  });
});
