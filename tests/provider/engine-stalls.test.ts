import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { Progress } from "../../engine/progress";
import { useEngine } from "../engineScene";

describe("a run that meets others at a table", () => {
  const { database, folder, apply, refusal } = useEngine();
  const hasColumn = async () =>
    (
      await database.query(
        "SELECT FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'b'",
      )
    ).length === 1;
  const stalls = async () =>
    (await database.query("SELECT relation, milliseconds FROM stateful_cd.stalls ORDER BY id")).map(
      ({ relation, milliseconds }) => ({ relation, milliseconds: Number(milliseconds) }),
    );
  /** Does something once, when the run comes to a statement. */
  const at = (statement: number, act: () => Promise<unknown>) => {
    const told: string[] = [];
    let acting: Promise<unknown> | undefined;
    const onProgress = ({ event, message }: Progress) => {
      if (event === "waiting") told.push(message.replace(/pid \d+/g, "pid N"));
      if (message.startsWith(`statement ${statement} of`)) acting ??= act();
    };
    return { told, onProgress, done: () => acting };
  };

  beforeEach(async () => {
    await database.query(
      "CREATE TABLE t (a int); CREATE TABLE u (a int); INSERT INTO u VALUES (1)",
    );
  });

  it("books how long others may have queued, and asks again when the table is free", async () => {
    folder.write("0001-a.sql", "SELECT pg_sleep(0.5);\nALTER TABLE t ADD b int;");
    const reader = await database.connect({ application_name: "report" });
    const late = at(1, async () => {
      await reader.query("BEGIN; SELECT FROM t");
      await sleep(1500);
      await reader.query("COMMIT");
    });
    await apply({ onProgress: late.onProgress });
    await late.done();
    assert.equal(await hasColumn(), true);
    const booked = await stalls();
    assert.deepEqual(
      booked.map(({ relation, milliseconds }) => ({ relation, isFelt: milliseconds >= 95 })),
      [{ relation: "public.t", isFelt: true }],
    );
    assert.match(late.told.join("\n"), /report.*trying again in .*\nnot asking for public\.t yet/);
  });

  it("spends no more than the budget of the hour, whatever run it was spent by", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    await apply();
    await database.query(
      `INSERT INTO stateful_cd.stalls (relation, milliseconds, epoch, stalled_at) VALUES
         ('public.t', 500, 1, now() - interval '50 minutes'), ('public.t', 460, 1, now()),
         ('public.t', 9999, 1, now() - interval '61 minutes'), ('public.u', 9999, 1, now())`,
    );
    folder.write("0002-b.sql", "ALTER TABLE t ADD b int");
    const expected = [
      "UserError: Migration 0002-b stopped: the stall budget of public.t is spent.",
      "migrations/0002-b.sql:1:1 (statement 1 of 1)",
      "1 | ALTER TABLE t ADD b int",
      "  | ^",
      "In the last hour others may have waited 960 ms behind locks of migrations; 1000 ms an hour are allowed.",
      "Nothing of this file was kept: its transaction was rolled back.",
      "Next: run the same command again in 10 min",
    ].join("\n  ");
    assert.equal(await refusal(), expected);
    assert.equal(await refusal(), expected);
    assert.equal(await hasColumn(), false);
    await apply({ stallBudgetMilliseconds: 1010 });
    assert.equal(await hasColumn(), true);
  });

  it("waits for room in the budget when it comes before the deadline", async () => {
    folder.write("0001-a.sql", "SELECT 1");
    await apply();
    await database.query(
      `INSERT INTO stateful_cd.stalls (relation, milliseconds, epoch, stalled_at)
       VALUES ('public.t', 1000, 1, now() - interval '59 minutes 56 seconds')`,
    );
    folder.write("0002-b.sql", "ALTER TABLE t ADD b int");
    const { told, onProgress } = at(0, () => Promise.resolve());
    await apply({ onProgress });
    assert.match(told.join("\n"), /^the stall budget of public\.t is spent for the next \d s$/);
    assert.equal(await hasColumn(), true);
  });

  it("is tried again after a deadlock, which the application does not notice", async () => {
    folder.write(
      "0001-a.sql",
      "-- atomic: true\nALTER TABLE t ADD b int;\nSELECT pg_sleep(0.6);\nUPDATE u SET a = 2;",
    );
    const writer = await database.connect({ application_name: "till" });
    await writer.query("BEGIN; UPDATE u SET a = 3");
    const { told, onProgress, done } = at(2, () => writer.query("SELECT FROM t; COMMIT"));
    await apply({ onProgress });
    await done();
    assert.match(told[0] ?? "", /^a deadlock, .*; trying again in 0\.\d s$/);
    assert.deepEqual(await database.query("SELECT a FROM u"), [{ a: 2 }]);
    assert.equal(await hasColumn(), true);
  });

  it("is not repeated when somebody cancels it", async () => {
    folder.write("0001-a.sql", "ALTER TABLE t ADD b int;\nSELECT pg_sleep(30);");
    const cancel = () =>
      database.query(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%' AND state = 'active'",
      );
    const { onProgress } = at(2, async () => {
      while ((await cancel()).length === 0) await sleep(20);
    });
    assert.deepEqual((await refusal({ onProgress })).split("\n  "), [
      "UserError: Migration 0001-a failed: canceling statement due to user request (57014).",
      "migrations/0001-a.sql:2:1 (statement 2 of 2)",
      "2 | SELECT pg_sleep(30);",
      "  | ^",
      "Statements 1 to 1 of this file are done and stay; the rest was rolled back.",
      "Next: find out who or which time-out cancelled it, then run the same command again",
    ]);
  });

  describe("while autovacuum is at work on it", () => {
    const isVacuumed = async () =>
      (await database.query("SELECT FROM pg_stat_progress_vacuum WHERE relid = 't'::regclass"))
        .length > 0;
    const connectAs = (user: string) => (): Promise<Client> =>
      database.connect({ user, password: "x" });

    beforeEach(async function () {
      this.timeout(60_000);
      await database.query("ALTER SYSTEM SET autovacuum_naptime = '1s'");
      await database.query("SELECT pg_reload_conf()");
      await database.query(
        `ALTER TABLE t SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
           autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
         INSERT INTO t SELECT generate_series(1, 50000)`,
      );
      await database.query("DELETE FROM t WHERE a % 2 = 0");
      while (!(await isVacuumed())) await sleep(50);
      folder.write("0001-a.sql", "ALTER TABLE t ADD b int");
    });
    afterEach(async () => {
      await database.query("ALTER SYSTEM RESET autovacuum_naptime");
      await database.query("SELECT pg_reload_conf()");
    });

    it("makes it give way, where it may set deadlock_timeout", async () => {
      await apply();
      assert.equal(await hasColumn(), true);
      for (const { milliseconds } of await stalls())
        assert.ok(milliseconds <= 200, String(milliseconds));
    });

    it("waits for it, where it may not, and does not queue", async function () {
      // The next worker may be a while in coming on a busy machine.
      this.timeout(180_000);
      await database.query(
        `DROP ROLE IF EXISTS modest; CREATE ROLE modest LOGIN PASSWORD 'x';
         GRANT CREATE ON DATABASE ${database.name} TO modest; ALTER TABLE t OWNER TO modest`,
      );
      try {
        while (!(await isVacuumed())) await sleep(50);
        const connect = connectAs("modest");
        const message = await refusal({ connect, tableLockDeadlineSeconds: 1 });
        assert.equal(
          message.split("\n  ")[0],
          "UserError: Migration 0001-a stopped: others hold public.t.",
        );
        assert.deepEqual(await stalls(), []);
        await database.query("GRANT SET ON PARAMETER deadlock_timeout TO modest");
        await apply({ connect });
        assert.equal(await hasColumn(), true);
      } finally {
        await database.query(
          "REVOKE ALL ON PARAMETER deadlock_timeout FROM modest; DROP OWNED BY modest; DROP ROLE modest",
        );
      }
    });
  });
});
