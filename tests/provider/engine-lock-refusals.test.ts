import { strict as assert } from "node:assert";
import { planLines } from "../../engine/cli/output";
import { planMigrations } from "../../engine/plan";
import { useEngine } from "../engineScene";

describe("a statement for which others would wait long", () => {
  const { database, folder, load, apply, refusal, contract, states } = useEngine();
  const plan = async (sql?: string) => {
    if (sql !== undefined) folder.write("0001-a.sql", sql);
    return planMigrations(await database.connect(), await load());
  };
  const marked =
    'or write "-- atomic: true" on the first line of migrations/0001-a.sql to run it as it stands';
  /** Lines of the first refusal behind the statement. */
  const whyNot = async (sql: string) => {
    const [refusal = ""] = (await plan(sql)).refusals;
    return refusal.replaceAll(folder.path, "migrations").split("\n  ").slice(4);
  };

  beforeEach(() =>
    database.query(
      `CREATE TABLE big (id int PRIMARY KEY, code varchar(80), d int);
       INSERT INTO big SELECT g, g, g % 2 FROM generate_series(1, 100) g;
       CREATE TABLE small (id int PRIMARY KEY, v int); INSERT INTO small VALUES (1, 1);
       ANALYZE; UPDATE pg_class SET reltuples = 3e6 WHERE relname = 'big'`,
    ),
  );

  it("for the rows that it changes is refused, with ways to change fewer at once", async () => {
    assert.deepEqual(await whyNot("UPDATE big SET d = 0"), [
      "It changes many rows of public.big at once, and who wants to change one of them waits for its end.",
      "About 3,000,000 rows: others would wait 100.0 s (an estimate).",
      `Next: fill a new column by sync.yaml (kind: fill), or change the rows in batches, in a DO block that commits after each; ${marked}`,
    ]);
    for (const sql of [
      "DELETE FROM big WHERE d % 3 <> 0",
      "ALTER TABLE big ADD e int; UPDATE big SET e = 1 WHERE e IS NULL",
      "MERGE INTO big USING small ON true WHEN MATCHED THEN UPDATE SET d = 1",
    ]) {
      assert.match((await whyNot(sql))[0] ?? "", /^It changes many rows of public\.big/, sql);
    }
  });

  it("for its rows is not refused for a few of them, whatever the size of the table", async () => {
    for (const sql of [
      "UPDATE big SET d = 0 WHERE id = 1",
      "UPDATE big SET d = 0 WHERE id IN (1, 2, 3)",
      "DELETE FROM big WHERE id < 0",
      "INSERT INTO big SELECT -id FROM small",
      "-- atomic: true\nDELETE FROM big",
      "CREATE TEMP TABLE big (d int); UPDATE big SET d = 1",
    ]) {
      assert.deepEqual((await plan(sql)).refusals, [], sql);
    }
  });

  it("for its rows says so in the plan", async () => {
    const lines = planLines(await plan("DELETE FROM big WHERE id < 0"));
    assert.deepEqual(lines.slice(2, 5), [
      "       locks public.big: ROW EXCLUSIVE",
      "       changes public.big, about 3,000,000 rows: at most all of its rows are changed",
      "       takes about 100.0 s, who changes the same rows waits as long (estimates)",
    ]);
  });

  it("is refused where it computes a view anew, by the size of what that reads", async () => {
    await database.query(
      "CREATE MATERIALIZED VIEW counted AS SELECT d, count(*) FROM big GROUP BY d",
    );
    assert.deepEqual(await whyNot("REFRESH MATERIALIZED VIEW counted"), [
      "It writes anew public.counted while nobody may use it: it is computed anew.",
      "About 3,000,000 rows: others would wait 858 ms (an estimate).",
      `Next: write REFRESH MATERIALIZED VIEW CONCURRENTLY, for which the view needs a unique index of columns; ${marked}`,
    ]);
    const unique = "CREATE UNIQUE INDEX ON counted (d)";
    const concurrently = `${unique}; REFRESH MATERIALIZED VIEW CONCURRENTLY counted`;
    assert.deepEqual((await plan(concurrently)).refusals, []);
  });

  it("is refused where it builds all indexes of a schema again", async () => {
    assert.deepEqual(await whyNot("REINDEX SCHEMA public"), [
      "It rebuilds one index after the other while nobody may write to its table.",
      "How long others would wait is not known.",
      `Next: write REINDEX ... CONCURRENTLY; ${marked}`,
    ]);
    assert.deepEqual((await plan("REINDEX SCHEMA CONCURRENTLY public")).refusals, []);
  });

  it("is refused where it writes whatever there is anew", async () => {
    for (const sql of ["CLUSTER", "VACUUM FULL"]) {
      assert.deepEqual(await whyNot(sql), [
        "It writes one table after the other anew while nobody may use it.",
        "How long others would wait is not known.",
        `Next: name the tables, each in a migration of its own, for an hour when nobody works with it; ${marked}`,
      ]);
    }
    assert.deepEqual((await plan("VACUUM")).refusals, []);
  });

  it("is refused where it looks at all values of a domain", async () => {
    await database.query(
      `CREATE DOMAIN positive AS int; ALTER TABLE big ADD p positive;
       CREATE DOMAIN rare AS int; ALTER TABLE small ADD p rare`,
    );
    assert.deepEqual(await whyNot("ALTER DOMAIN positive ADD CONSTRAINT p CHECK (VALUE > 0)"), [
      "It reads as a whole public.big while nobody may write to them.",
      "Others would wait 857 ms (an estimate).",
      `Next: write ADD CONSTRAINT ... CHECK ... NOT VALID, which holds for new values, and VALIDATE CONSTRAINT when nobody writes to these tables; ${marked}`,
    ]);
    for (const sql of [
      "ALTER DOMAIN positive ADD CONSTRAINT p CHECK (VALUE > 0) NOT VALID",
      "ALTER DOMAIN rare ADD CONSTRAINT p CHECK (VALUE > 0)",
      "ALTER DOMAIN positive DROP NOT NULL",
    ]) {
      assert.deepEqual((await plan(sql)).refusals, [], sql);
    }
  });

  it("is refused where another type keeps the rows but not an index", async () => {
    await database.query("CREATE INDEX big_code ON big (code)");
    const widen = "ALTER TABLE big ALTER COLUMN code TYPE varchar(255)";
    assert.deepEqual((await plan(widen)).refusals, []);
    assert.deepEqual((await plan("ALTER TABLE big ALTER COLUMN code TYPE text")).refusals, []);
    await database.query("CREATE INDEX big_other ON big (lower(code)) WHERE d > 0");
    await database.query("UPDATE pg_class SET reltuples = 3e6 WHERE relname = 'big'");
    assert.deepEqual(await whyNot(widen), [
      "It reads as a whole public.big while nobody may use it: index big_other is built anew.",
      "About 3,000,000 rows: others would wait 6.0 s (an estimate).",
      `Next: drop the index before it with DROP INDEX CONCURRENTLY, and build it again behind it with CREATE INDEX CONCURRENTLY; ${marked}`,
    ]);
    await database.query("DROP INDEX big_other");
    const [collated] = await whyNot(`${widen} COLLATE "C"`);
    assert.match(collated ?? "", /index big_code is built anew\.$/);
    await database.query("CREATE TABLE noted (at timestamp); CREATE INDEX noted_at ON noted (at)");
    await database.query("INSERT INTO noted VALUES (now())");
    const effects = (
      await plan("SET timezone = 'UTC'; ALTER TABLE noted ALTER at TYPE timestamptz")
    ).migrations[0]?.statements[1]?.effects;
    assert.deepEqual(
      effects?.work.map(({ why }) => why),
      ["index noted_at is built anew"],
    );
  });

  it("is run for real where nobody waits", async () => {
    folder.write(
      "0001-a.sql",
      "DELETE FROM big WHERE id IN (7, 8); REINDEX SCHEMA CONCURRENTLY public",
    );
    await apply();
    assert.deepEqual(await database.query("SELECT count(*)::int AS n FROM big"), [{ n: 98 }]);
  });

  describe("in a file that ends or takes back an old shape", () => {
    const phased = (ending: string, name = "contract") => {
      folder.write("0001-a/expand.sql", "ALTER TABLE big ADD e int; CREATE TABLE made (id int)");
      folder.write(`0001-a/${name}.sql`, ending);
    };
    const refused = async () => (await refusal()).split("\n  ");

    it("is refused before anything of its migration is run", async () => {
      phased("ALTER TABLE big DROP COLUMN code;\nALTER TABLE big ALTER COLUMN d SET NOT NULL;");
      assert.deepEqual(await refused(), [
        "UserError: Migration 0001-a would hold others up; nothing of migrations/0001-a/contract.sql was run.",
        "migrations/0001-a/contract.sql:2:1",
        "2 | ALTER TABLE big ALTER COLUMN d SET NOT NULL;",
        "  | ^",
        "It cannot be carried out in parts (a CHECK that is NOT VALID, VALIDATE, SET NOT NULL, drop the CHECK) in contract.sql, which is one transaction with all that the engine does there.",
        "About 3,000,000 rows: others would wait 857 ms (an estimate).",
        'Next: put it into a plain migration that comes after this one; or write "-- atomic: true" on the first line of migrations/0001-a/contract.sql to run it as it stands',
      ]);
      for (const [sql, why] of [
        [
          "SELECT public.slow()",
          /^It may take long, and every table of the migration stays locked/,
        ],
        ["UPDATE big SET d = 0", /^It changes many rows of public\.big at once/],
        ["ALTER TABLE big ALTER COLUMN d TYPE bigint", /^It writes anew public\.big while/],
        ["CREATE INDEX big_d ON big (d)", /^It cannot be carried out in parts \(CREATE INDEX/],
      ] as const) {
        for (const name of ["contract", "abort", "undo"]) {
          folder.remove("0001-a/contract.sql");
          phased(sql, name);
          assert.match((await refused())[4] ?? "", why, `${name}.sql: ${sql}`);
          assert.equal((await plan()).refusals.length, 1);
          folder.remove(`0001-a/${name}.sql`);
          phased("SELECT 1");
        }
      }
      assert.deepEqual(
        await database.query("SELECT attname FROM pg_attribute WHERE attname = 'e'"),
        [],
      );
    });

    it("is free for what takes a moment", async () => {
      phased(
        `ALTER TABLE big DROP COLUMN d; ALTER TABLE big ALTER e SET DEFAULT 1;
         INSERT INTO small VALUES (2, length(lower('X'))); UPDATE small SET v = 2;
         ALTER TABLE small ALTER v SET NOT NULL; ALTER TABLE made ADD UNIQUE (id)`,
      );
      await apply();
      const { waiting } = await contract();
      assert.deepEqual(waiting, []);
    });

    it("is refused when a table has grown, before any old release is shut out", async () => {
      phased("ALTER TABLE small ALTER v SET NOT NULL");
      await apply();
      await database.query("UPDATE pg_class SET reltuples = 3e6 WHERE relname = 'small'");
      await assert.rejects(contract(), /^UserError: Migration 0001-a would hold others up/);
      assert.deepEqual(await states(), { "0001-a": "rolled_out" });
    });
  });
});
