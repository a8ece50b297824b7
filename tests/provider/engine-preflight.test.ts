import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { ApplyOptions } from "../../engine/apply";
import type { Progress } from "../../engine/progress";
import { useEngine } from "../engineScene";

describe("before it locks a table, a run", () => {
  const { database, folder, apply, ...engine } = useEngine();
  const refusal = async (options: Partial<ApplyOptions> = {}) =>
    (await engine.refusal(options))
      .replace(/pid \d+/g, "pid N")
      .replace(/pg_terminate_backend\(\d+\)/g, "pg_terminate_backend(N)")
      .replace(/for \d+ s,/g, "for S s,")
      .replace(/since \d+ s/g, "since S s")
      .split("\n  ");
  const columnsOf = async (table: string) =>
    (
      await database.query(
        "SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum",
        [table],
      )
    ).map(({ name }) => name);
  /** What of a table's lock queue was ever seen. */
  const watchQueue = async (table: string) => {
    const client = await database.connect();
    const seen = { waiting: 0, stop: false };
    const done = (async () => {
      while (!seen.stop) {
        const { rowCount } = await client.query(
          "SELECT FROM pg_locks WHERE relation = $1::regclass AND NOT granted",
          [table],
        );
        seen.waiting += rowCount ?? 0;
      }
    })();
    return async () => {
      seen.stop = true;
      await done;
      return seen.waiting;
    };
  };
  const reads = async (sql: string, name = "report") => {
    const client = await database.connect({ application_name: name });
    await client.query(`BEGIN; ${sql}`);
    // Older than what could end within a lock_timeout.
    await sleep(300);
    return client;
  };
  const stalls = () =>
    database.query("SELECT relation, milliseconds FROM stateful_cd.stalls ORDER BY id");

  beforeEach(async () => {
    await database.query("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    folder.write("0001-a.sql", "SELECT 1;\nALTER TABLE t ADD b int;");
  });

  it("waits for a long reader outside of the queue, so that nobody waits behind it", async () => {
    const reader = await reads("SELECT * FROM t");
    const queue = await watchQueue("t");
    const told: string[] = [];
    const onProgress = ({ event, message }: Progress) => {
      if (event === "waiting")
        told.push(message.replace(/pid \d+/, "pid N").replace(/\d+ s/, "S s"));
    };
    const applied = apply({ onProgress });
    while (told.length === 0) await sleep(20);
    await sleep(500);
    assert.equal((await database.query("SELECT a FROM t")).length, 1);
    await reader.query("COMMIT");
    await applied;
    assert.equal(await queue(), 0);
    assert.deepEqual(told, [
      "not asking for public.t yet, held by pid N, user postgres, application 'report', idle in transaction for S s, query: BEGIN; SELECT * FROM t",
    ]);
    assert.deepEqual(await columnsOf("t"), ["a", "b"]);
    assert.deepEqual(await stalls(), []);
  });

  it("gives up at its deadline and names who is in the way, with nothing done", async () => {
    await reads("SELECT * FROM t");
    await reads("INSERT INTO t VALUES (2)", "till");
    assert.deepEqual(await refusal({ tableLockDeadlineSeconds: 1 }), [
      "UserError: Migration 0001-a stopped: others hold public.t.",
      "migrations/0001-a.sql:2:1 (statement 2 of 2)",
      "2 | ALTER TABLE t ADD b int;",
      "  | ^",
      "blocked by pid N, user postgres, application 'report', idle in transaction for S s, query: BEGIN; SELECT * FROM t",
      "blocked by pid N, user postgres, application 'till', idle in transaction for S s, query: BEGIN; INSERT INTO t VALUES (2)",
      "Waited 1 s for them without asking for a lock, so that nobody queued behind it.",
      "Nothing of this file was kept: its transaction was rolled back.",
      "Next: wait until they have ended, or end them: SELECT pg_terminate_backend(N); SELECT pg_terminate_backend(N); then run the same command again",
    ]);
    assert.deepEqual(await columnsOf("t"), ["a"]);
  });

  it("sees a prepared transaction, which no session has", async () => {
    const client = await reads("INSERT INTO t VALUES (2)");
    await client.query("PREPARE TRANSACTION 'two'");
    await sleep(300);
    try {
      assert.deepEqual((await refusal({ tableLockDeadlineSeconds: 1 })).slice(4, 5), [
        "blocked by prepared transaction 'two', user postgres, since S s",
      ]);
    } finally {
      await client.query("ROLLBACK PREPARED 'two'");
    }
  });

  it("looks at partitions and at the other table of a foreign key, too", async () => {
    await database.query(
      `CREATE TABLE parent (id int PRIMARY KEY);
       CREATE TABLE p (a int) PARTITION BY LIST (a);
       CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)`,
    );
    folder.write("0001-a.sql", "ALTER TABLE p ADD b int");
    const first = await reads("SELECT * FROM p1");
    const partition = await refusal({ tableLockDeadlineSeconds: 1 });
    assert.match(
      partition[0] ?? "",
      /^UserError: Migration 0001-a stopped: others hold public\.p\b/,
    );
    await first.query("COMMIT");
    folder.write("0001-a.sql", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES parent NOT VALID");
    await reads("INSERT INTO parent VALUES (1)");
    const parent = await refusal({ tableLockDeadlineSeconds: 1 });
    assert.equal(
      parent[0],
      "UserError: Migration 0001-a stopped: others hold public.parent, public.t.",
    );
  });

  it("sees a holder whose age its own role may not see", async () => {
    await database.query(
      `DROP ROLE IF EXISTS modest; CREATE ROLE modest LOGIN PASSWORD 'x';
       GRANT CREATE ON DATABASE ${database.name} TO modest; ALTER TABLE t OWNER TO modest`,
    );
    const connect = (): Promise<Client> => database.connect({ user: "modest", password: "x" });
    const reader = await reads("SELECT * FROM t");
    const queue = await watchQueue("t");
    try {
      const message = await refusal({ connect, tableLockDeadlineSeconds: 1 });
      assert.equal(message[0], "UserError: Migration 0001-a stopped: others hold public.t.");
      assert.equal(await queue(), 0);
      await reader.query("COMMIT");
      await apply({ connect });
      assert.deepEqual(await columnsOf("t"), ["a", "b"]);
    } finally {
      await database.query("DROP OWNED BY modest; DROP ROLE modest");
    }
  });
});
