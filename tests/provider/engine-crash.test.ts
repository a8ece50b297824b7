import { strict as assert } from "node:assert";
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { loadRepeatables } from "../../engine/files/repeatableFolder";
import type { Progress } from "../../engine/progress";
import { cli, intercepted, useEngine } from "../engineScene";

describe("a run that is killed", () => {
  const { database, folder, ...engine } = useEngine();
  let children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children) child.kill("SIGKILL");
    children = [];
  });

  /** A real process that applies the folder. */
  function startRun(): ChildProcess {
    const child = spawn(
      process.execPath,
      [cli, "apply", "--folder", folder.path, "--database-url", database.url],
      { stdio: "ignore" },
    );
    children.push(child);
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  async function until(condition: string): Promise<void> {
    for (let attempt = 0; attempt < 400; attempt++) {
      const [row] = await database.query(`SELECT (${condition}) AS yes`);
      if (row?.yes === true) return;
      await sleep(25);
    }
    const activity = await database.query("SELECT pid, state, query FROM pg_stat_activity");
    throw new Error(`never became true: ${condition}\n${JSON.stringify(activity, null, 1)}`);
  }

  const isRunning = (query: string, more = "true") =>
    until(`EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
             AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE '${query}%' AND ${more})`);

  const apply = (told: Progress[] = []) =>
    engine.apply({ onProgress: (progress) => told.push(progress) });

  const state = async () =>
    (await database.query("SELECT id, state FROM stateful_cd.migrations ORDER BY id")).map(
      (row) => `${String(row.id)} ${String(row.state)}`,
    );
  const index = () =>
    database.query(
      "SELECT indisvalid AS valid FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relname LIKE 't_a%'",
    );

  it("in the middle of a transaction leaves nothing, and the next run applies it", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (a int); INSERT INTO t VALUES (1); SELECT pg_sleep(30); INSERT INTO t VALUES (2)",
    );
    const child = startRun();
    await isRunning("SELECT pg_sleep");
    await kill(child);
    folder.write("0001-a.sql", "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)");
    const told: Progress[] = [];
    await apply(told);
    assert.deepEqual(await database.query("SELECT a FROM t"), [{ a: 1 }, { a: 2 }]);
    assert.deepEqual(await state(), ["0001-a done"]);
    assert.deepEqual(
      await database.query("SELECT outcome, error FROM stateful_cd.runs ORDER BY epoch"),
      [
        { outcome: "failed", error: "the process ended" },
        { outcome: "done", error: null },
      ],
    );
  });

  it("between two parts of a file goes on with the second", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (a int);\nVACUUM t;\nINSERT INTO t VALUES (1);\nSELECT pg_sleep(60) FROM gate;",
    );
    await database.query("CREATE TABLE gate AS SELECT 'shut'");
    const child = startRun();
    await isRunning("SELECT pg_sleep(60)");
    await kill(child);
    await database.query("DELETE FROM gate");
    assert.deepEqual(await state(), ["0001-a expanding"]);
    await apply();
    assert.deepEqual(await database.query("SELECT a FROM t"), [{ a: 1 }]);
    assert.deepEqual(await state(), ["0001-a done"]);
  });

  describe("during CREATE INDEX CONCURRENTLY", () => {
    beforeEach(async () => {
      folder.write(
        "0001-a.sql",
        "CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 1000)",
      );
      await apply();
      folder.write(
        "0002-b.sql",
        "CREATE INDEX CONCURRENTLY t_a ON t (a);\nCREATE TABLE after_it ()",
      );
    });

    /** Kills a run whose build waits for this transaction. */
    async function killedBuild() {
      const reader = await database.connect();
      await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t");
      const child = startRun();
      await isRunning("CREATE INDEX CONCURRENTLY", "wait_event = 'virtualxid'");
      await kill(child);
      return reader;
    }

    it("keeps the index that the orphan backend has finished", async () => {
      const reader = await killedBuild();
      await reader.query("COMMIT");
      await until("(SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid = 't_a'::regclass)");
      const [before] = await database.query("SELECT 't_a'::regclass::oid AS oid");
      await apply();
      assert.deepEqual(await database.query("SELECT 't_a'::regclass::oid AS oid"), [before]);
      assert.deepEqual(await state(), ["0001-a done", "0002-b done"]);
    });

    it("waits for an orphan backend that is still building", async () => {
      const reader = await killedBuild();
      const told: Progress[] = [];
      const applied = apply(told);
      await until("(SELECT count(*) = 3 FROM stateful_cd.runs)");
      await sleep(300);
      assert.match(
        told.map(({ message }) => message).join(),
        /^an earlier run's statement is still at work \(pid \d+\): waiting for it$/,
      );
      await reader.query("COMMIT");
      await applied;
      assert.deepEqual(await index(), [{ valid: true }]);
      assert.deepEqual(await state(), ["0001-a done", "0002-b done"]);
    });

    it("builds again what the orphan has left invalid", async () => {
      const reader = await killedBuild();
      await database.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND pid <> pg_backend_pid()",
      );
      await until(
        "(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND pid <> pg_backend_pid()))",
      );
      assert.deepEqual(await index(), [{ valid: false }]);
      await reader.query("COMMIT");
      await apply();
      assert.deepEqual(await index(), [{ valid: true }]);
      assert.deepEqual(await state(), ["0001-a done", "0002-b done"]);
    });

    it("does not build twice what was built but not yet noted", async () => {
      const reader = await database.connect();
      await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t");
      const child = startRun();
      await isRunning("CREATE INDEX CONCURRENTLY", "wait_event = 'virtualxid'");
      const gate = await database.connect();
      await gate.query("BEGIN; LOCK TABLE stateful_cd.steps IN SHARE MODE");
      await reader.query("COMMIT");
      await isRunning("WITH fence", "wait_event_type = 'Lock'");
      await kill(child);
      await gate.query("COMMIT");
      const [before] = await database.query("SELECT 't_a'::regclass::oid AS oid");
      assert.deepEqual(await state(), ["0001-a done", "0002-b expanding"]);
      await apply();
      assert.deepEqual(await database.query("SELECT 't_a'::regclass::oid AS oid"), [before]);
      assert.deepEqual(await state(), ["0001-a done", "0002-b done"]);
    });
  });

  it("inside a procedure that commits is not repeated blindly", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (a int);\nCREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM pg_sleep(60); END $$;\nCALL p();",
    );
    const child = startRun();
    await isRunning("CALL p()", "wait_event = 'PgSleep'");
    await kill(child);
    await database.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL%' AND pid <> pg_backend_pid()",
    );
    const message = await apply().then(String, String);
    assert.equal(
      message.replaceAll(folder.path, "migrations"),
      [
        "UserError: Migration 0001-a was interrupted at a statement whose outcome nothing tells.",
        "migrations/0001-a.sql:3:1",
        "3 | CALL p();",
        "  | ^",
        "It commits on its own, so it may have run, in whole or in part, or not at all.",
        "If it took effect: UPDATE stateful_cd.steps SET state = 'done' WHERE migration = '0001-a' AND phase = 'expand' AND first_statement = 3;",
        "If it may run again: DELETE FROM stateful_cd.steps WHERE migration = '0001-a' AND phase = 'expand' AND first_statement = 3;",
        "Next: look at the data, record the outcome with one of these, then run the same command again",
      ].join("\n  "),
    );
    await database.query("UPDATE stateful_cd.steps SET state = 'done' WHERE first_statement = 3");
    await apply();
    assert.deepEqual(await state(), ["0001-a done"]);
    assert.deepEqual(await database.query("SELECT a FROM t"), [{ a: 1 }]);
  });

  it("during DROP INDEX CONCURRENTLY and REINDEX CONCURRENTLY leaves no invalid index", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (a int); CREATE INDEX t_a1 ON t (a); CREATE INDEX t_a2 ON t (a)",
    );
    await apply();
    for (const statement of ["REINDEX INDEX CONCURRENTLY t_a1", "DROP INDEX CONCURRENTLY t_a2"]) {
      folder.write(`000${statement.startsWith("R") ? 2 : 3}-b.sql`, statement);
      const reader = await database.connect();
      await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t");
      const child = startRun();
      await isRunning(statement, "wait_event = 'virtualxid'");
      await kill(child);
      await database.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%CONCURRENTLY%' AND pid <> pg_backend_pid()",
      );
      await reader.query("COMMIT");
      await apply();
    }
    assert.deepEqual(await index(), [{ valid: true }]);
    assert.deepEqual(await state(), ["0001-a done", "0002-b done", "0003-b done"]);
  });

  describe("at a repeatable file", () => {
    beforeEach(() => {
      folder.write("0001-a.sql", "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2)");
      folder.write("repeatable/v.sql", "CREATE OR REPLACE VIEW v AS SELECT a, b FROM t");
      folder.write("repeatable/w.sql", "CREATE OR REPLACE VIEW w AS SELECT a FROM v");
    });
    const rows = async () =>
      (await database.query("SELECT path FROM stateful_cd.repeatables ORDER BY id")).map(
        ({ path: name }) => String(name),
      );

    /** Kills a run that waits to write the journal row of a file, everything else being done. */
    async function killAtRow(): Promise<void> {
      const gate = await database.connect();
      await gate.query("BEGIN; LOCK TABLE stateful_cd.repeatables IN SHARE MODE");
      const child = startRun();
      await isRunning("WITH fence", "wait_event_type = 'Lock'");
      await kill(child);
      await gate.query("COMMIT");
      await gate.end();
    }

    it("between its statements and its journal row leaves neither, and the next run applies it", async () => {
      await applyAll();
      folder.write(
        "repeatable/v.sql",
        "CREATE OR REPLACE VIEW v AS SELECT a, b, a + b AS c FROM t",
      );
      await killAtRow();
      assert.deepEqual(await database.query("SELECT * FROM v"), [{ a: 1, b: 2 }]);
      assert.deepEqual(await rows(), ["repeatable/v.sql", "repeatable/w.sql"]);
      await applyAll();
      assert.deepEqual(await database.query("SELECT * FROM v"), [{ a: 1, b: 2, c: 3 }]);
      assert.equal((await rows()).length, 3);
    });

    it("that is dropped and made again leaves all views that depend on it as they were", async () => {
      await applyAll();
      folder.write("repeatable/v.sql", "CREATE OR REPLACE VIEW v AS SELECT a FROM t");
      await killAtRow();
      assert.deepEqual(await database.query("SELECT v.b, w.a FROM v, w"), [{ b: 2, a: 1 }]);
      await applyAll();
      assert.deepEqual(await database.query("SELECT * FROM v JOIN w USING (a)"), [{ a: 1 }]);
      assert.deepEqual((await rows()).slice(2), ["repeatable/v.sql", "repeatable/w.sql"]);
    });

    it("and the one after it keeps the first, and applies the second", async () => {
      folder.write("repeatable/w.sql", "CREATE OR REPLACE VIEW w AS SELECT 1 AS a");
      await applyAll();
      folder.write("repeatable/v.sql", "CREATE OR REPLACE VIEW v AS SELECT a, b, 3 AS c FROM t");
      folder.write("repeatable/w.sql", "CREATE OR REPLACE VIEW w AS SELECT a FROM v");
      const reader = await database.connect();
      await reader.query("BEGIN; SELECT * FROM w");
      const child = startRun();
      await until("(SELECT count(*) = 3 FROM stateful_cd.repeatables)");
      await kill(child);
      await reader.query("COMMIT");
      assert.deepEqual(await database.query("SELECT c FROM v"), [{ c: 3 }]);
      await applyAll();
      assert.deepEqual(
        await rows(),
        ["v", "w", "v", "w"].map((name) => `repeatable/${name}.sql`),
      );
    });

    const applyAll = async (): Promise<void> => {
      await engine.apply({ repeatables: await loadRepeatables(folder.path) });
    };
  });

  it("on the side of the server is told as such, and goes on", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (a int); SELECT pg_sleep(30)");
    const failing = apply().then(String, String);
    await isRunning("SELECT pg_sleep");
    await database.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND pid <> pg_backend_pid()",
    );
    assert.equal(
      (await failing).replaceAll(folder.path, "migrations"),
      [
        "UserError: Migration 0001-a failed: terminating connection due to administrator command (57P01).",
        "migrations/0001-a.sql:1:25 (statement 2 of 2)",
        "1 | CREATE TABLE t (a int); SELECT pg_sleep(30)",
        "  |                         ^",
        "Nothing of this file was kept: its transaction was rolled back.",
        "Next: see that the server answers, then run the same command again: the journal knows how far it came",
      ].join("\n  "),
    );
    folder.write("0001-a.sql", "CREATE TABLE t (a int)");
    await apply();
    assert.deepEqual(await state(), ["0001-a done"]);
  });

  /** Sessions that are cut off right behind a query that ends so. */
  const cutBehind = (last: RegExp) => async () => {
    const client = await database.connect();
    return intercepted(client, (text, send) => {
      const answer = send();
      if (last.test(text)) setTimeout(() => client.connection.stream.destroy());
      return answer;
    });
  };

  it("on the way does not say that nothing was kept: COMMIT was sent", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (a int)");
    assert.match(
      await engine.refusal({ connect: cutBehind(/^CREATE TABLE t /) }),
      /Migration 0001-a failed: Connection terminated unexpectedly\.[^]*Whether it was kept is in the journal: the next run looks there\./,
    );
    await apply();
    assert.deepEqual(await state(), ["0001-a done"]);
    assert.deepEqual(await database.query("SELECT a FROM t"), []);
  });

  it("on the way does not say how many parts of a statement are done", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (a int)");
    await apply();
    folder.write("0002-b.sql", "ALTER TABLE t ALTER a SET NOT NULL");
    await database.query("INSERT INTO t SELECT n FROM generate_series(1, 1000) AS n");
    assert.match(
      await engine.refusal({ connect: cutBehind(/NOT VALID$/) }),
      /Connection terminated unexpectedly\.[^]*How many of its 3 parts are done is in the journal/,
    );
    await apply();
    assert.deepEqual(await state(), ["0001-a done", "0002-b done"]);
  });
});
