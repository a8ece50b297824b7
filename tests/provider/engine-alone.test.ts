import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { Progress } from "../../engine/progress";
import { useEngine } from "../engineScene";

describe("a statement that runs alone", () => {
  const { database, folder, apply, refusal } = useEngine();
  const indexes = async () =>
    (
      await database.query(
        "SELECT relname AS name, indisvalid AS valid FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 't'::regclass ORDER BY 1",
      )
    ).map((row) => `${String(row.name)}${row.valid === true ? "" : " invalid"}`);

  beforeEach(async () => {
    await database.query("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (1, 'y')");
  });

  it("leaves no invalid index when it fails, and can be corrected", async () => {
    folder.write("0001-a.sql", "CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a);");
    assert.equal(
      await refusal(),
      [
        'UserError: Migration 0001-a failed: could not create unique index "t_a" (23505).',
        "migrations/0001-a.sql:1:1 (statement 1 of 1)",
        "1 | CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a);",
        "  | ^",
        "detail: Key (a)=(1) is duplicated.",
        "Statements before it are done and stay; this one left nothing behind.",
        "Next: correct migrations/0001-a.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
    assert.deepEqual(await indexes(), []);
    folder.write("0001-a.sql", "CREATE UNIQUE INDEX CONCURRENTLY t_ab ON t (a, b);");
    await apply();
    assert.deepEqual(await indexes(), ["t_ab"]);
  });

  it("builds anew over an invalid index, which IF NOT EXISTS would keep", async () => {
    const other = await database.connect();
    await assert.rejects(other.query("CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a)"));
    assert.deepEqual(await indexes(), ["t_a invalid"]);
    await database.query("DELETE FROM t WHERE b = 'y'");
    folder.write("0001-a.sql", "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_a ON t (a)");
    await apply();
    assert.deepEqual(await indexes(), ["t_a"]);
  });

  it("keeps an index of the same name and definition, however it is written", async () => {
    await database.query(
      "CREATE INDEX t_x ON t USING btree (lower(b) text_pattern_ops DESC, a) INCLUDE (b) WITH (fillfactor = 70) WHERE a > 0 AND b <> 'z'",
    );
    const [before] = await database.query("SELECT 't_x'::regclass::oid AS oid");
    folder.write(
      "0001-a.sql",
      "CREATE INDEX CONCURRENTLY /* on */ t_x ON ONLY public.t ( LOWER(\"b\") text_pattern_ops DESC,a) INCLUDE(b) WITH (fillfactor=70) WHERE (a>0) and b!='z'",
    );
    await apply();
    assert.deepEqual(await database.query("SELECT 't_x'::regclass::oid AS oid"), [before]);
  });

  it("refuses an index of the same name and another definition", async () => {
    await database.query("CREATE INDEX t_x ON t (b)");
    folder.write("0001-a.sql", "CREATE INDEX CONCURRENTLY t_x ON t (a)");
    assert.equal(
      await refusal(),
      [
        "UserError: The index public.t_x exists already, with another definition.",
        "present: btree (b text_ops default)",
        "wanted:  btree (a int4_ops)",
        "Next: give the new index another name, or drop the present one in a migration",
      ].join("\n  "),
    );
    assert.deepEqual(await indexes(), ["t_x"]);
  });

  it("reports a name that another relation has", async () => {
    await database.query("CREATE TABLE t_x ()");
    folder.write("0001-a.sql", "CREATE INDEX CONCURRENTLY t_x ON t (a)");
    assert.match(
      await refusal(),
      /^UserError: Migration 0001-a failed: relation "t_x" already exists \(42P07\)\./,
    );
  });

  it("is attached to a build that somebody else has under way", async () => {
    const reader = await database.connect();
    await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t");
    const builder = await database.connect();
    const built = builder.query("CREATE INDEX CONCURRENTLY t_a ON t (a)");
    while ((await indexes()).length === 0) await sleep(20);
    folder.write("0001-a.sql", "CREATE INDEX CONCURRENTLY t_a ON t (a)");
    const told: Progress[] = [];
    const applied = apply({ onProgress: (progress) => told.push(progress) });
    while (!told.some(({ event }) => event === "waiting")) {
      await sleep(20);
    }
    assert.match(
      told.find(({ event }) => event === "waiting")?.message ?? "",
      /^attached to the running build of t_a \(pid \d+\)$/,
    );
    await reader.query("COMMIT");
    await built;
    await applied;
    assert.deepEqual(await indexes(), ["t_a"]);
  });

  it("takes over an index that somebody else has committed after the catalog was asked", async () => {
    const other = await database.connect();
    await other.query("BEGIN; CREATE INDEX t_a ON t (a)");
    folder.write("0001-a.sql", "CREATE INDEX CONCURRENTLY t_a ON t (a)");
    const told: Progress[] = [];
    const applied = apply({ onProgress: (progress) => told.push(progress) });
    while (!told.some(({ message }) => message.startsWith("waiting for pid"))) {
      await sleep(20);
    }
    await other.query("COMMIT");
    await applied;
    assert.deepEqual(await indexes(), ["t_a"]);
  });

  it("has a deadline of its own, names whom it waited for, and leaves nothing", async () => {
    const reader = await database.connect({ application_name: "report" });
    await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t");
    folder.write("0001-a.sql", "CREATE INDEX CONCURRENTLY t_a ON t (a)");
    const failing = refusal({ buildDeadlineSeconds: 1 });
    // Removing what the build has left waits for the reader, too.
    while (!(await isBuilding())) await sleep(20);
    while (await isBuilding()) await sleep(20);
    await reader.query("COMMIT");
    const lines = (await failing)
      .replace(/pid \d+/g, "pid N")
      .replace(/for \d+ s/, "for S s")
      .split("\n  ");
    assert.deepEqual(lines, [
      "UserError: Migration 0001-a failed: canceling statement due to statement timeout (57014).",
      "migrations/0001-a.sql:1:1 (statement 1 of 1)",
      "1 | CREATE INDEX CONCURRENTLY t_a ON t (a)",
      "  | ^",
      "waited for pid N, user postgres, application 'report', idle in transaction for S s, query: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t",
      "Statements before it are done and stay; this one left nothing behind.",
      "Next: find out who or which time-out cancelled it, then run the same command again",
    ]);
    assert.deepEqual(await indexes(), []);
  });

  const isBuilding = async (): Promise<boolean> =>
    (
      await database.query(
        "SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'",
      )
    ).length > 0;

  /** A report on another table, whose snapshot is older than a second. */
  const oldReport = async () => {
    const reader = await database.connect({ application_name: "report" });
    await reader.query("CREATE TABLE other ()");
    await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other");
    await sleep(1100);
    return reader;
  };
  const held =
    /^the oldest snapshot, which has to end first, is held by pid \d+, user postgres, application 'report', idle in transaction for \d+ s, query: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other$/;

  it("tells before it begins who holds the oldest snapshot, on whatever table", async () => {
    const reader = await oldReport();
    folder.write("0001-a.sql", "CREATE INDEX CONCURRENTLY t_a ON t (a)");
    const told: string[] = [];
    const applied = apply({
      onProgress: ({ event, message }) => {
        if (event === "waiting") told.push(message);
      },
    });
    while (told.length < 2) await sleep(20);
    await reader.query("COMMIT");
    await applied;
    assert.match(told[0] ?? "", held);
    assert.match(told[1] ?? "", /^waiting for pid \d+, user postgres, application 'report'/);
    assert.equal(told.length, 2);
  });

  it("names who holds the oldest snapshot when its deadline comes before it has waited for anybody", async () => {
    const reader = await oldReport();
    await database.query("CREATE INDEX t_a ON t (a)");
    folder.write("0001-a.sql", "DROP INDEX CONCURRENTLY t_a");
    // Nobody uses t: the lock on it is held up by a session that has no snapshot.
    const locker = await database.connect();
    await locker.query("BEGIN; LOCK TABLE t IN ACCESS SHARE MODE");
    const lines = (await refusal({ buildDeadlineSeconds: 1 })).split("\n  ");
    await locker.query("COMMIT");
    await reader.query("COMMIT");
    assert.equal(lines.filter((line) => line.startsWith("waited for")).length, 1);
    assert.match(
      lines.find((line) => line.startsWith("the oldest")) ?? "",
      /^the oldest snapshot is held by pid \d+, user postgres, application 'report'/,
    );
  });

  it("works under a role that the file has set", async () => {
    await database.query(
      "CREATE ROLE owner_role; GRANT ALL ON SCHEMA public TO owner_role; ALTER TABLE t OWNER TO owner_role",
    );
    await database.query("CREATE INDEX t_b ON t (b)");
    folder.write(
      "0001-a.sql",
      "SET ROLE owner_role; CREATE INDEX CONCURRENTLY t_a ON t (a); CREATE INDEX CONCURRENTLY t_b ON t (b); CREATE TABLE u ()",
    );
    await apply();
    assert.deepEqual(await indexes(), ["t_a", "t_b"]);
    assert.deepEqual(
      await database.query("SELECT tableowner AS o FROM pg_tables WHERE tablename = 'u'"),
      [{ o: "owner_role" }],
    );
    await database.query("DROP OWNED BY owner_role; DROP ROLE owner_role");
  });

  it("detaches a partition, also one whose detaching was cut off", async () => {
    await database.query(
      "CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2)",
    );
    const reader = await database.connect();
    await reader.query("BEGIN; SELECT * FROM p");
    const other = await database.connect();
    const detached = assert.rejects(other.query("ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY"));
    while ((await database.query("SELECT FROM pg_inherits WHERE inhdetachpending")).length === 0) {
      await sleep(20);
    }
    await database.query(
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE p DETACH%'",
    );
    await detached;
    await reader.query("COMMIT");
    folder.write("0001-a.sql", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY");
    await apply();
    assert.deepEqual(await database.query("SELECT FROM pg_inherits"), []);
  });

  it("may be any of those that PostgreSQL refuses in a transaction", async () => {
    const name = `${database.name}_made`;
    folder.write(
      "0001-a.sql",
      `-- atomic: true\nVACUUM (ANALYZE) t; CREATE DATABASE ${name}; DROP DATABASE ${name}; CREATE INDEX t_a ON t (a); REINDEX TABLE CONCURRENTLY t; CLUSTER t USING t_a; CLUSTER; REINDEX SCHEMA public; CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false); DROP SUBSCRIPTION IF EXISTS nobody; ALTER SYSTEM RESET work_mem;`,
    );
    await apply();
    assert.deepEqual(await database.query("SELECT subname FROM pg_subscription"), [
      { subname: "s" },
    ]);
    await database.query("ALTER SUBSCRIPTION s SET (slot_name = NONE)");
    await database.query("DROP SUBSCRIPTION s");
  });
});
