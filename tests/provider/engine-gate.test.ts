import { strict as assert } from "node:assert";
import type { ContractOptions } from "../../engine/contract";
import type { Progress } from "../../engine/progress";
import { useEngine } from "../engineScene";

describe("contract waits", () => {
  const { database, folder, apply, states, ...engine } = useEngine();
  let oldRole = "";
  let other = "";

  beforeEach(async () => {
    folder.write(
      "0001-t.sql",
      `CREATE TABLE t (id int PRIMARY KEY, a text);
       INSERT INTO t SELECT i, i::text FROM generate_series(1, 50) i;
       CREATE TABLE r (id int PRIMARY KEY, name text UNIQUE);`,
    );
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b int;");
    folder.write(
      "0002-b/sync.yaml",
      [
        "table: t\nold: [a]\nnew: [b]",
        "forward: { b: \"CASE WHEN a ~ '^[0-9]{1,8}$' THEN a::int END\" }",
        "reverse: { a: \"coalesce(b::text, '')\" }",
        "rejects: allow-null",
      ].join("\n"),
    );
    await apply();
    oldRole = `old_${database.name}`;
    other = `other_${database.name}`;
    await database.query(
      `CREATE ROLE ${oldRole} LOGIN PASSWORD 'x'; CREATE ROLE ${other} LOGIN PASSWORD 'x';
       GRANT ALL ON t, r TO ${oldRole}, ${other}`,
    );
  });

  const contract = (options: Partial<ContractOptions> = {}) =>
    engine.contract({ oldRoles: [{ name: oldRole }], ...options });
  const waiting = async (options: Partial<ContractOptions> = {}) =>
    (await contract(options)).waiting.join();
  /** In a soak time that never ends, so that what happens after its start is seen. */
  const soaking = () => waiting({ soakSeconds: 100_000 });
  const withoutTime = (line: string) =>
    line.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/, "<then>");
  const state = async () => (await states())["0002-b"];

  it("for what is seen outside of the database, and hands it the old logins", async () => {
    const asked: string[][] = [];
    const answers = ["another release still runs: backend-1", undefined];
    const askOutside = (roles: readonly string[]) => {
      asked.push([...roles]);
      return Promise.resolve(answers.length > 1 ? answers.shift() : answers[0]);
    };
    assert.equal(await waiting({ askOutside }), "0002-b: another release still runs: backend-1");
    assert.equal(await state(), "verified");
    assert.equal(await waiting({ askOutside }), "");
    assert.equal(await state(), "done");
    assert.deepEqual(new Set(asked.flat()), new Set([oldRole]));
  });

  it("for the end of sessions whose clients are gone, as far as is seen outside, and goes on then", async () => {
    const kept = await database.connect({ user: oldRole, password: "x", application_name: "kept" });
    const told: string[] = [];
    const onProgress = ({ message }: Progress): void => {
      told.push(message);
      if (message.includes("waiting for their end")) void kept.end();
    };
    const askOutside = () => Promise.resolve(undefined);
    assert.equal(await waiting({ askOutside, onProgress }), "");
    assert.equal(
      told[0],
      `an old release is connected: ${oldRole} has a session ('kept'): nobody uses them any more, waiting for their end`,
    );
  });

  it("for sessions that stay, and says after a while whose they are", async () => {
    const kept = await database.connect({ user: oldRole, password: "x", application_name: "kept" });
    assert.equal(
      await waiting({ askOutside: () => Promise.resolve(undefined) }),
      `0002-b: an old release is connected: ${oldRole} has a session ('kept')`,
    );
    assert.equal(await state(), "verified");
    await kept.end();
  });

  it("for nobody whose release knows the new shape, and leaves that release its login", async () => {
    const session = await database.connect({ user: other, password: "x" });
    assert.equal(
      await waiting({
        oldRoles: [
          { name: oldRole, knows: "0001-t" },
          { name: other, knows: "0002-b" },
        ],
      }),
      "",
    );
    await session.end();
    assert.deepEqual(
      await database.query(
        `SELECT rolname AS role, rolcanlogin AS may FROM pg_roles WHERE rolname IN ('${oldRole}', '${other}') ORDER BY 1`,
      ),
      [
        { role: oldRole, may: false },
        { role: other, may: true },
      ],
    );
  });

  it("for the soak time, which begins anew when the old release is seen again", async () => {
    assert.match(
      await soaking(),
      /^0002-b: nothing old has been seen since [-0-9]+ [:0-9]+ UTC, for 0 s of 100000 s$/,
    );
    assert.equal(await state(), "rolled_out");
    const session = await database.connect({ user: oldRole, password: "x" });
    assert.match(
      await soaking(),
      /^0002-b: an old release is connected: old_test_\d+ has a session/,
    );
    assert.equal(await state(), "verified");
    await session.end();
    await soaking();
    await database.query("UPDATE stateful_cd.quiet SET since = since - interval '1 day'");
    assert.equal(await waiting({ soakSeconds: 86_000 }), "");
    assert.equal(await state(), "done");
  });

  it("out what is left of a short soak time by itself", async () => {
    const told: string[] = [];
    assert.equal(
      await waiting({ soakSeconds: 1, onProgress: ({ message }) => told.push(message) }),
      "",
    );
    assert.match(told[0] ?? "", /^nothing old is seen any more: looking again in (1\.0|0\.\d) s$/);
  });

  it("while somebody writes the old columns, whoever that is", async () => {
    await soaking();
    await database.query("UPDATE t SET b = 1001 WHERE id = 1; UPDATE t SET a = a WHERE id = 2");
    assert.match(await soaking(), /^0002-b: nothing old has been seen/);
    await database.query("UPDATE t SET a = '77' WHERE id < 3; INSERT INTO t VALUES (99, '99')");
    assert.equal(
      withoutTime(await soaking()),
      "0002-b: somebody still writes the old columns: 3 times since <then>",
    );
    assert.match(await soaking(), /^0002-b: nothing old has been seen/);
  });

  it("while a view or a function names an old column", async () => {
    await database.query(
      `CREATE VIEW v AS SELECT id, a AS what FROM t;
       CREATE FUNCTION atomic_one() RETURNS bigint LANGUAGE sql RETURN (SELECT count(a) FROM t);
       CREATE FUNCTION in_words(x int) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT t.a FROM t LIMIT 1); END';
       CREATE FUNCTION of_a_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := NEW.a; RETURN NEW; END';
       CREATE TRIGGER early BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION of_a_trigger();
       CREATE FUNCTION innocent() RETURNS text LANGUAGE plpgsql AS 'BEGIN /* a of t */ RETURN (SELECT b FROM t LIMIT 1); END -- a';
       CREATE FUNCTION elsewhere() RETURNS text LANGUAGE sql AS 'SELECT name AS a FROM r'`,
    );
    assert.equal(
      await waiting(),
      "0002-b: a of public.t is still named by function public.atomic_one(), function public.in_words(x integer), function public.of_a_trigger(), view public.v",
    );
    await database.query(
      "DROP VIEW v; DROP FUNCTION atomic_one(); DROP FUNCTION in_words; DROP FUNCTION of_a_trigger CASCADE",
    );
    assert.equal(await waiting(), "");
  });

  it("for no view that contract.sql speaks of", async () => {
    await database.query("CREATE VIEW v AS SELECT id, a FROM t");
    folder.write("0002-b/contract.sql", "DROP VIEW v");
    assert.equal(await waiting(), "");
  });

  it("while a statement that names an old column runs, as pg_stat_statements counts", async () => {
    await database.query("CREATE EXTENSION pg_stat_statements");
    const session = await database.connect({ user: other, password: "x" });
    const report = "SELECT id FROM t WHERE a = $1 AND id > 3";
    await session.query(report, ["7"]);
    await soaking();
    for (const harmless of [
      "SELECT * FROM t",
      "SELECT b::text AS a FROM t ORDER BY a",
      "SELECT x.a FROM (SELECT b AS a FROM t) x",
      "SELECT count(*) FROM t, (VALUES (1)) v(a)",
      "SELECT jsonb_build_object('b', b) AS a FROM t WHERE id = ANY ('{1,2}') LIMIT 3",
    ]) {
      await session.query(harmless);
    }
    assert.match(await soaking(), /^0002-b: nothing old has been seen/);
    await session.query(report, ["8"]);
    assert.equal(
      withoutTime(await soaking()),
      `0002-b: a statement that names an old column has run since <then>: ${other}: SELECT id FROM t WHERE a = $1 AND id > $2`,
    );
    assert.match(await soaking(), /^0002-b: nothing old has been seen/);
    await database.query("SELECT pg_stat_statements_reset()");
    await session.query("UPDATE t SET b = 3 WHERE a IS NULL");
    assert.equal(
      withoutTime(await soaking()),
      `0002-b: a statement that names an old column has run since <then>: ${other}: UPDATE t SET b = $1 WHERE a IS NULL`,
    );
    await session.end();
    assert.equal(await waiting(), "");
  });

  it("while nothing tells who reads the old columns, unless told that nobody does", async () => {
    const withoutStatements = false;
    const way =
      "or npm run migrations -- contract --without-statements where it is known that nobody does";
    const nothingTells = "so nothing tells who still reads a:";
    assert.equal(
      await waiting({ withoutStatements }),
      `0002-b: pg_stat_statements is not in this database, ${nothingTells} CREATE EXTENSION pg_stat_statements, ${way}`,
    );
    assert.equal(await state(), "rolled_out");
    await database.query("CREATE EXTENSION pg_stat_statements");
    const administrator = () => database.connect({ user: other, password: "x" });
    assert.equal(
      await waiting({ withoutStatements, administrator }),
      `0002-b: ${other} may not read the statements of others, ${nothingTells} GRANT pg_read_all_stats TO ${other}, ${way}`,
    );
    await database.query(`GRANT pg_read_all_stats TO ${other}; ALTER ROLE ${other} SUPERUSER`);
    // What ran before anybody counted is no use since then.
    assert.equal(
      await waiting({ withoutStatements, administrator, soakSeconds: 100_000 }),
      "0002-b: statements are counted from now on only",
    );
    assert.equal(await waiting({ withoutStatements, administrator }), "");
    assert.equal(await state(), "done");
  });

  it("for no statements where there is no old column that one could name", async () => {
    await waiting();
    folder.write(
      "0003-c/expand.sql",
      "ALTER TABLE t ADD c uuid; ALTER TABLE t ALTER c SET DEFAULT gen_random_uuid();",
    );
    folder.write("0003-c/sync.yaml", "kind: fill\ntable: t\nnew: c\n");
    await apply();
    assert.equal(await waiting({ withoutStatements: false }), "");
    assert.equal((await states())["0003-c"], "done");
  });

  it("for somebody who may close the old login, and says what that one has to do", async () => {
    const owner = `owner_${database.name}`;
    await database.query(
      `CREATE ROLE ${owner} LOGIN PASSWORD 'x'; ALTER SCHEMA stateful_cd OWNER TO ${owner};
       DO $$ DECLARE o text; BEGIN
         FOR o IN SELECT 'TABLE ' || oid::regclass FROM pg_class
                   WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'stateful_cd'::regnamespace)
                  UNION ALL SELECT 'SEQUENCE stateful_cd.sync_2_old_writes'
                  UNION ALL SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc
                   WHERE pronamespace = 'stateful_cd'::regnamespace
         LOOP EXECUTE format('ALTER %s OWNER TO ${owner}', o); END LOOP; END $$`,
    );
    const connect = () => database.connect({ user: owner, password: "x" });
    const { waiting: lines } = await contract({ connect });
    assert.match(
      lines.join(),
      /^0002-b: somebody who may has to say ALTER ROLE "old_test_\d+" NOLOGIN \(permission denied.*\)$/,
    );
    assert.equal(await state(), "rolled_out");
    assert.equal(await waiting({ connect, administrator: database.connect }), "");
  });
});
