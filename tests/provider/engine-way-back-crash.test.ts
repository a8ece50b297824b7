import { strict as assert } from "node:assert";
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { cli, useEngine } from "../engineScene";

describe("the way back, killed", () => {
  const { database, folder, apply, contract, abort, states, ...engine } = useEngine();
  let child: ChildProcess | undefined;
  let said = "";

  beforeEach(async () => {
    folder.write(
      "0001-t.sql",
      "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL); INSERT INTO t SELECT i, i::text FROM generate_series(1, 3000) i",
    );
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b int;\nCREATE INDEX t_b ON t (b);");
    folder.write(
      "0002-b/sync.yaml",
      [
        "table: t\nold: [a]\nnew: [b]",
        "forward: { b: \"CASE WHEN a ~ '^[0-9]{1,8}$' THEN a::int END\" }",
        "reverse: { a: b::text }",
      ].join("\n"),
    );
    await apply();
  });
  afterEach(() => {
    child?.kill("SIGKILL");
  });

  const start = (command: "abort" | "undo"): void => {
    const args = [cli, command, "0002-b", "--folder", folder.path, "--database-url", database.url];
    const started = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
    said = "";
    started.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    child = started;
  };
  const kill = async (): Promise<void> => {
    const ended = new Promise((resolve) => child?.once("exit", resolve));
    child?.kill("SIGKILL");
    await ended;
  };
  const until = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
    for (let attempt = 0; attempt < 400; attempt++) {
      if (await isSo()) return;
      await sleep(25);
    }
    throw new Error(`never became true: ${what}`);
  };
  const untilSql = (condition: string): Promise<void> =>
    until(
      condition,
      async () => (await database.query(`SELECT (${condition}) AS yes`))[0]?.yes === true,
    );
  const state = async () => (await states())["0002-b"];
  const isIn = (wanted: string) => until(wanted, async () => (await state()) === wanted);
  const isWaiting = () =>
    until("it waits", () => Promise.resolve(said.includes("not asking for public.t yet")));

  it("in abort goes on, and leaves nothing", async () => {
    const reader = await database.connect();
    await reader.query("BEGIN; SELECT FROM t LIMIT 1");
    start("abort");
    await isIn("aborting");
    await isWaiting();
    await kill();
    await reader.query("COMMIT");
    assert.equal(await state(), "aborting");
    assert.deepEqual(await abort("0002-b"), { id: "0002-b", state: "aborted", aborted: true });
    assert.deepEqual(await database.query("SELECT * FROM t WHERE id = 7"), [{ id: 7, a: "7" }]);
    assert.deepEqual(
      await database.query("SELECT tgname FROM pg_trigger WHERE tgrelid = 't'::regclass"),
      [],
    );
  });

  describe("in undo", () => {
    const undo = () => engine.undo("0002-b");
    const wrong = () => database.query("SELECT id FROM t WHERE a IS DISTINCT FROM b::text");

    beforeEach(async () => {
      assert.deepEqual((await contract()).waiting, []);
      await database.query("UPDATE t SET b = b + 1");
      await database.query("INSERT INTO t (id, b) VALUES (5000, 5)");
    });

    it("before the columns have their names again begins anew", async () => {
      const reader = await database.connect();
      await reader.query("BEGIN; SELECT FROM t LIMIT 1");
      start("undo");
      await isWaiting();
      await kill();
      await reader.query("COMMIT");
      assert.equal(await state(), "done");
      assert.deepEqual(await undo(), { id: "0002-b", state: "verified", undone: true });
      assert.deepEqual(await wrong(), []);
    });

    it("half way through the rows goes on where it was, while the new release writes", async () => {
      await database.query(
        `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
           AS 'BEGIN PERFORM pg_sleep(4); RETURN NEW; END';
         CREATE TRIGGER a_slow BEFORE UPDATE ON t FOR EACH ROW
           WHEN (NEW.id = 2998) EXECUTE FUNCTION slow()`,
      );
      start("undo");
      await untilSql("EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')");
      await kill();
      assert.deepEqual(
        await database.query(
          "SELECT position IS NOT NULL AS begun, finished_at IS NOT NULL AS done FROM stateful_cd.backfills",
        ),
        [{ begun: true, done: false }],
      );
      await database.query("DROP TRIGGER a_slow ON t");
      await database.query("UPDATE t SET b = 88888 WHERE id = 3");
      await database.query("UPDATE t SET b = 77777 WHERE id = 2999");
      assert.equal(await state(), "undoing");
      await undo();
      assert.deepEqual(await wrong(), []);
      assert.deepEqual(
        await database.query("SELECT id, a FROM t WHERE id IN (3, 2999, 5000) ORDER BY id"),
        [
          { id: 3, a: "88888" },
          { id: 2999, a: "77777" },
          { id: 5000, a: "5" },
        ],
      );
      assert.equal(await state(), "verified");
      await assert.rejects(database.query("INSERT INTO t (id) VALUES (6000)"), { code: "23502" });
    });
  });
});
