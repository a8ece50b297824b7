import { strict as assert } from "node:assert";
import { useEngine } from "../engineScene";

describe("applying one file after another", () => {
  const { database, folder, apply, refusal } = useEngine();

  it("gives every file a session as it came, whatever the file before has set", async () => {
    await database.query("CREATE ROLE file_role; GRANT ALL ON SCHEMA public TO file_role");
    folder.write(
      "0001-a.sql",
      "SET search_path = pg_catalog; SET ROLE file_role; SET standard_conforming_strings = off; CREATE TABLE public.a ()",
    );
    folder.write(
      "0002-b.sql",
      "CREATE TABLE b AS SELECT current_user::text AS who, '\\n'::text AS text",
    );
    await apply();
    assert.deepEqual(await database.query("SELECT who, text FROM public.b"), [
      { who: "postgres", text: "\\n" },
    ]);
    const [owner] = await database.query(
      "SELECT tableowner AS name FROM pg_tables WHERE tablename = 'a'",
    );
    assert.deepEqual(owner, { name: "file_role" });
    await database.query("DROP TABLE a; DROP OWNED BY file_role; DROP ROLE file_role");
  });

  it("waits for the disk once, with the last row of the run", async () => {
    await database.query(
      "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END$$",
    );
    folder.write("0001-a.sql", "CREATE TABLE waits (who text, how text)");
    await apply();
    await database.query(
      `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
         INSERT INTO public.waits VALUES ('the run', current_setting('synchronous_commit'));
         RETURN NULL;
       END$$;
       CREATE TRIGGER note AFTER UPDATE ON stateful_cd.runs FOR EACH ROW EXECUTE FUNCTION note()`,
    );
    folder.write(
      "0002-b.sql",
      "INSERT INTO waits VALUES ('the file', current_setting('synchronous_commit'))",
    );
    await apply();
    assert.deepEqual(await database.query("SELECT who, how FROM waits"), [
      { who: "the file", how: "off" },
      { who: "the run", how: "on" },
    ]);
  });

  it("leaves no setting, temporary table or prepared statement to the next file", async () => {
    folder.write(
      "0001-a.sql",
      "SET work_mem = '7MB'; CREATE TEMP TABLE left_over (); PREPARE p AS SELECT 1; LISTEN x",
    );
    folder.write(
      "0002-b.sql",
      "CREATE TABLE b AS SELECT current_setting('work_mem') AS memory, to_regclass('left_over')::text AS t, (SELECT count(*)::int FROM pg_prepared_statements) AS p",
    );
    await apply();
    assert.deepEqual(await database.query("SELECT * FROM b"), [{ memory: "4MB", t: null, p: 0 }]);
  });

  it("lets a file deallocate all that was prepared", async () => {
    folder.write("0001-a.sql", "CREATE TABLE a ()");
    folder.write("0002-b.sql", "CREATE TABLE b ()");
    folder.write("0003-c.sql", "DEALLOCATE ALL");
    folder.write("0004-d.sql", "CREATE TABLE d ()");
    const { migrations } = await apply();
    assert.ok(migrations.every(({ state }) => state === "done"));
  });

  it("may go on with the connection of an earlier run, which somebody has kept", async () => {
    const kept = await database.connect();
    const end = kept.end.bind(kept);
    Object.assign(kept, { end: () => Promise.resolve() });
    const connections = () => {
      const given = [kept];
      return async () => given.pop() ?? (await database.connect());
    };
    for (const id of ["0001-a", "0002-b", "0003-c"]) {
      folder.write(`${id}.sql`, `CREATE TABLE "${id}" ()`);
      await apply({ connect: connections() });
    }
    await end();
    assert.equal((await database.query("SELECT FROM stateful_cd.migrations")).length, 3);
  });

  it("knows that a schema change may reach its session too", async () => {
    folder.write("0001-a.sql", "CREATE TEMP TABLE left_over ()");
    folder.write("0002-b.sql", "CREATE TABLE kept (); ALTER TABLE kept ADD memory text");
    folder.write(
      "0003-c.sql",
      "ALTER TABLE kept ALTER memory SET DEFAULT set_config('work_mem', '7MB', false); INSERT INTO kept DEFAULT VALUES",
    );
    folder.write(
      "0004-d.sql",
      "CREATE TABLE d AS SELECT current_setting('work_mem') AS memory, to_regclass('left_over')::text AS t",
    );
    await apply();
    assert.deepEqual(await database.query("SELECT * FROM d"), [{ memory: "4MB", t: null }]);
  });

  for (const [what, sql] of [
    [
      "an event trigger",
      "CREATE FUNCTION set_memory() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '7MB', false); END $$; CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION set_memory()",
    ],
    [
      "a domain's CHECK",
      "CREATE FUNCTION set_memory(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '7MB', false); RETURN true; END $$; CREATE DOMAIN checked AS int CHECK (set_memory(value))",
    ],
  ] as const) {
    it(`knows that ${what} may reach the session from a schema change`, async () => {
      folder.write("0001-a.sql", `CREATE TABLE a (); INSERT INTO a DEFAULT VALUES; ${sql}`);
      folder.write("0002-b.sql", "CREATE TABLE b ()");
      folder.write(
        "0003-c.sql",
        what === "an event trigger"
          ? "CREATE TABLE c ()"
          : "ALTER TABLE a ADD COLUMN x checked DEFAULT 1",
      );
      folder.write("0004-d.sql", "CREATE TABLE d AS SELECT current_setting('work_mem') AS memory");
      await apply();
      assert.deepEqual(await database.query("SELECT * FROM d"), [{ memory: "4MB" }]);
    });
  }

  it("keeps the role and the search_path that the caller's session came with", async () => {
    await database.query("CREATE SCHEMA app");
    const connect = async () => {
      const client = await database.connect();
      await client.query("SET search_path = app");
      return client;
    };
    folder.write("0001-a.sql", "CREATE TABLE a ()");
    folder.write("0002-b.sql", "CREATE TABLE b ()");
    await apply({ connect });
    assert.deepEqual(
      await database.query(
        "SELECT tablename AS t FROM pg_tables WHERE schemaname = 'app' ORDER BY 1",
      ),
      [{ t: "a" }, { t: "b" }],
    );
  });

  it("keeps a file's SET for the statements behind an interruption", async () => {
    const head = "SET search_path = app;\nCREATE SCHEMA app; CREATE TABLE t (a int);\nVACUUM t;\n";
    folder.write("0001-a.sql", `${head}ALTER TABLE t ADD b inte;`);
    await refusal();
    folder.write("0001-a.sql", `${head}ALTER TABLE t ADD b integer;`);
    await apply();
    assert.deepEqual(await database.query("SELECT b FROM app.t"), []);
  });
});
