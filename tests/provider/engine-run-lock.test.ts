import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { Progress } from "../../engine/progress";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";
import { startTransactionPooler } from "../transactionPooler";

describe("the run lock", () => {
  const { database, folder, apply } = useEngine();
  const key = async () => {
    const [row] = await database.query(
      "SELECT (classid::bigint << 32 | objid::bigint)::text AS key FROM pg_locks WHERE locktype = 'advisory'",
    );
    return String(row?.key);
  };

  it("lets runs that start at once take turns, each file applied once", async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE t (n int); INSERT INTO t VALUES (1); SELECT pg_sleep(0.3)",
    );
    const results = await Promise.all([apply(), apply(), apply()]);
    assert.deepEqual(results.map(({ migrations }) => migrations[0]?.applied).sort(), [
      false,
      false,
      true,
    ]);
    assert.deepEqual(await database.query("SELECT count(*)::int AS n FROM t"), [{ n: 1 }]);
    const held = await database.query("SELECT FROM pg_locks WHERE locktype = 'advisory'");
    assert.deepEqual(held, []);
  });

  it("names the holder when another process keeps it past the deadline", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t ()");
    folder.write("0002-b.sql", "SELECT pg_sleep(1.5)");
    const first = apply();
    let lock = "undefined";
    while (lock === "undefined") {
      await sleep(20);
      lock = await key();
    }
    await first;
    const holder = await database.connect({ application_name: "other's run" });
    await holder.query("SELECT pg_advisory_lock($1)", [lock]);
    folder.write("0003-c.sql", "SELECT 1");
    const told: Progress[] = [];
    const message = await failureOf(() =>
      apply({ lockDeadlineSeconds: 0.5, onProgress: (progress) => told.push(progress) }),
    );
    assert.equal(
      message
        .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/, "TIME")
        .replace(/(pid |backend\()\d+/g, "$1N"),
      [
        "UserError: Another run is at work on this database; nothing was run.",
        "It holds the run lock: pid N, user postgres, application 'other''s run', since TIME.",
        "Waited 0.5 s for it.",
        "Next: wait until it has ended, or end it: SELECT pg_terminate_backend(N)",
      ].join("\n  "),
    );
    assert.equal(told.length, 1);
    const waiting = apply();
    await sleep(200);
    await holder.query("SELECT pg_advisory_unlock($1)", [lock]);
    assert.equal((await waiting).migrations.at(-1)?.applied, true);
  });

  it("stops a run that has lost it before its next transaction", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (); SELECT pg_sleep(1)");
    folder.write("0002-b.sql", "CREATE TABLE u ()");
    const message = failureOf(() => apply());
    for (let ended = false; !ended;) {
      await sleep(20);
      const rows = await database.query(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE locktype = 'advisory' AND EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%')",
      );
      ended = rows.length > 0;
    }
    assert.equal(
      await message,
      [
        "UserError: The session that holds the run lock was lost; the run stopped before its next step.",
        "What was done so far is in the journal.",
        "Next: see that the server answers, then run the same command again",
      ].join("\n  "),
    );
    assert.deepEqual(await database.query("SELECT to_regclass('u') AS u"), [{ u: null }]);
  });

  it("shuts out a run whose epoch was raised by another one", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (); SELECT pg_sleep(1)");
    const message = failureOf(() => apply());
    for (let raised = false; !raised;) {
      await sleep(20);
      const rows = await database.query(
        "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'",
      );
      raised = rows.length > 0;
    }
    await database.query("UPDATE stateful_cd.journal SET epoch = epoch + 5");
    assert.equal(
      await message,
      [
        "UserError: Another run has taken over this database; this one stopped without writing.",
        "This run has epoch 1, the journal is at 6.",
        "Next: run the same command again",
      ].join("\n  "),
    );
    assert.deepEqual(await database.query("SELECT to_regclass('t') AS t"), [{ t: null }]);
  });

  it("ends the session of an earlier run that lost its lock in the middle of a transaction", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t ()");
    await apply();
    const stale = await database.connect();
    await stale.query("BEGIN; LOCK TABLE t");
    await database.query(
      `INSERT INTO stateful_cd.runs (epoch, outcome, application_name, user_name, backend_pid, backend_start)
       SELECT 0, 'running', 'x', 'x', pid, extract(epoch FROM backend_start)::text
         FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()`,
    );
    folder.write("0002-b.sql", "ALTER TABLE t ADD a int");
    assert.equal((await apply()).migrations[1]?.applied, true);
    await assert.rejects(stale.query("COMMIT"));
  });

  const pools = [
    [1, "last used"],
    [2, "last used"],
    [2, "round robin"],
    [3, "round robin"],
  ] as const;
  for (const [size, next] of pools) {
    it(`is refused through a proxy that pools transactions: ${size} backends, ${next}`, async () => {
      folder.write("0001-a.sql", "CREATE TABLE t ()");
      const backends = await Promise.all(Array.from({ length: size }, () => database.connect()));
      const pooler = await startTransactionPooler(backends, next);
      const message = await failureOf(() =>
        apply({ connect: () => database.connect({ port: pooler.port }) }),
      );
      await pooler.stop();
      assert.equal(
        message,
        [
          "UserError: Between the engine and PostgreSQL is a proxy that pools transactions; nothing was run.",
          "Two sessions do not keep a backend of their own: locks and settings would get lost.",
          "Next: connect to the server itself, not to its pooler (PgBouncer's port is often 6432)",
        ].join("\n  "),
      );
      const found = await database.query("SELECT FROM pg_namespace WHERE nspname = 'stateful_cd'");
      assert.deepEqual(found, []);
    });
  }
});
