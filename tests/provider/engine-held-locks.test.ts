import { strict as assert } from "node:assert";
import { planMigrations } from "../../engine/plan";
import { useEngine } from "../engineScene";

describe("a table that is locked by one statement and waited for during another", () => {
  const { database, folder, load, apply } = useEngine();
  const plan = async (sql: string) => {
    folder.write("0001-a.sql", sql);
    return planMigrations(await database.connect(), await load());
  };
  /** The statements that begin a transaction. */
  const splits = async (sql: string) =>
    ((await plan(sql)).migrations[0]?.statements ?? [])
      .filter(({ effects }) => effects.splits)
      .map(({ number }) => number);
  /** Lines of the first refusal behind the statement. */
  const whyNot = async (sql: string) => {
    const [refusal = ""] = (await plan(sql)).refusals;
    return refusal.replaceAll(folder.path, "migrations").split("\n  ").slice(4);
  };

  beforeEach(() =>
    database.query(
      `CREATE TABLE big (id int PRIMARY KEY, a text, d int);
       INSERT INTO big SELECT g, g, g FROM generate_series(1, 100) g;
       CREATE TABLE small (id int PRIMARY KEY, v int);
       INSERT INTO small VALUES (1, 1), (2, 2);
       CREATE FUNCTION touch_all() RETURNS void LANGUAGE sql AS 'UPDATE public.big SET d = d';
       CREATE PROCEDURE work() LANGUAGE sql AS 'UPDATE public.big SET d = d';
       CREATE VIEW seen AS SELECT * FROM big;
       ANALYZE; UPDATE pg_class SET reltuples = 3e6 WHERE relname = 'big'`,
    ),
  );

  for (const long of [
    "SELECT touch_all()",
    "SELECT pg_sleep(3)",
    "DO 'BEGIN PERFORM touch_all(); END'",
    "CALL work()",
    "CREATE TABLE copied AS SELECT *, md5(a) FROM big",
    "CREATE MATERIALIZED VIEW counted AS SELECT d, count(*) FROM big GROUP BY d",
    "SELECT count(*) FROM seen",
    "UPDATE small SET v = (SELECT count(*) FROM big WHERE d = small.id)",
    "INSERT INTO small SELECT g, g FROM generate_series(10, 1000000) g",
  ]) {
    it(`is free again before it: ${long}`, async () => {
      assert.deepEqual(await splits(`ALTER TABLE big ADD e int; ${long}`), [2]);
    });
  }

  it("is free again before rows go into a table of this run, and before that one is worked on", async () => {
    const fill = "CREATE TABLE made (id int, h text); INSERT INTO made SELECT id, md5(a) FROM big";
    assert.deepEqual(await splits(`ALTER TABLE big ADD e int; ${fill}`), [3]);
    for (const work of [
      "CREATE INDEX ON made (h)",
      "ALTER TABLE made ADD CHECK (id > 0)",
      "UPDATE made SET id = id + 1",
      "SELECT count(*) FROM made",
    ]) {
      assert.deepEqual(await splits(`${fill}; ALTER TABLE big ADD e int; ${work}`), [4], work);
    }
  });

  it("stays in one transaction with what takes a moment", async () => {
    assert.deepEqual(
      await splits(
        `ALTER TABLE big ADD e int; INSERT INTO small VALUES (3, 3), (4, length('x'));
         UPDATE small SET v = (SELECT max(v) FROM small); DELETE FROM big WHERE id = 1;
         SELECT now(), lower('A'); CREATE TABLE made (id int);
         INSERT INTO made VALUES (1); CREATE INDEX ON made (id);
         CREATE TABLE copied AS SELECT * FROM small; ALTER TABLE small ADD w int`,
      ),
      [],
    );
    folder.write("0001-a.sql", "-- atomic: true\nALTER TABLE big ADD e int; SELECT touch_all()");
    await apply();
    assert.deepEqual(await database.query("SELECT last_statement AS n FROM stateful_cd.steps"), [
      { n: 2 },
    ]);
  });

  it("is free again before long work, when it runs", async () => {
    folder.write("0001-a.sql", "ALTER TABLE big ADD e int; SELECT touch_all(); SELECT 1");
    await apply();
    assert.deepEqual(
      await database.query(
        "SELECT first_statement AS first, last_statement AS last FROM stateful_cd.steps ORDER BY 1",
      ),
      [
        { first: 1, last: 1 },
        { first: 2, last: 3 },
      ],
    );
  });

  it("keeps a file from being run where its transaction cannot end there", async () => {
    assert.deepEqual(
      await whyNot("BEGIN;\nALTER TABLE big ADD e int;\nSELECT touch_all();\nCOMMIT;"),
      [
        "It may take long, and public.big stays locked all the while: nothing is divided between BEGIN and COMMIT.",
        "How long others would wait is not known.",
        'Next: remove BEGIN and COMMIT; or write "-- atomic: true" on the first line of migrations/0001-a.sql to run it as it stands',
      ],
    );
  });

  it("is not taken for one of this run that has its name", async () => {
    const runAs = async (sql: string) =>
      (await plan(sql)).migrations[0]?.statements.at(-1)?.effects.runAs;
    const index = "CREATE INDEX big_d ON public.big (d)";
    await database.query("CREATE SCHEMA other");
    for (const before of [
      "CREATE TEMP TABLE big (d int)",
      "CREATE TABLE other.big (d int)",
      "SET search_path = other; CREATE TABLE big (d int)",
      "CREATE TABLE IF NOT EXISTS big (d int)",
    ]) {
      assert.equal(await runAs(`${before}; ${index}`), "CREATE INDEX CONCURRENTLY", before);
    }
    const back =
      "CREATE TABLE big (d int); SET search_path = public; CREATE INDEX big_d ON big (d)";
    assert.equal(await runAs(`SET search_path = other; ${back}`), "CREATE INDEX CONCURRENTLY");
    const unnamed = "CREATE TABLE other.big (d int); CREATE INDEX big_d ON big (d)";
    assert.equal(await runAs(unnamed), "CREATE INDEX CONCURRENTLY");
    const temporary = "CREATE TEMP TABLE big (d int); CREATE INDEX big_d ON big (d)";
    assert.equal(await runAs(temporary), undefined);
    assert.equal(
      await runAs(`CREATE TEMP TABLE big (d int); DROP TABLE big; CREATE INDEX big_d ON big (d)`),
      "CREATE INDEX CONCURRENTLY",
    );
  });

  it("is known by the name and the schema that the file gives it on the way", async () => {
    const runAs = async (sql: string) =>
      (await plan(sql)).migrations[0]?.statements.at(-1)?.effects.runAs;
    await database.query("CREATE SCHEMA other");
    for (const [move, name] of [
      ["RENAME TO vast", "vast"],
      ["RENAME TO vast", "public.vast"],
      ["SET SCHEMA other", "other.big"],
    ]) {
      const sql = `ALTER TABLE big ${move}; ALTER TABLE ${name} ALTER d SET NOT NULL`;
      assert.match((await runAs(sql)) ?? "", /^a CHECK that is NOT VALID/, sql);
    }
    folder.write(
      "0001-a.sql",
      "-- swapped\nALTER TABLE small RENAME TO little;\nALTER TABLE big RENAME TO vast;\nALTER TABLE little RENAME TO big;\n" +
        "ALTER TABLE vast ADD UNIQUE (d);\nALTER TABLE vast SET SCHEMA other;\nCREATE INDEX ON other.vast (a);\nCREATE VIEW small AS SELECT * FROM big;",
    );
    await apply();
    assert.deepEqual(
      await database.query(
        "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = 'other.vast'::regclass ORDER BY 1",
      ),
      [{ name: "other.big_pkey" }, { name: "other.vast_a_idx" }, { name: "other.vast_d_key" }],
    );
  });

  it("is not the one that a table of this run, once filled, refers to", async () => {
    const fill = "CREATE TABLE made (big_id int); INSERT INTO made SELECT id FROM big";
    folder.write("0001-a.sql", `${fill}; ALTER TABLE made ADD FOREIGN KEY (big_id) REFERENCES big`);
    folder.write("0002-b.sql", "ALTER TABLE public.made ADD CHECK (big_id > 0)");
    const told: string[] = [];
    await apply({ onProgress: ({ message }) => told.push(message) });
    assert.deepEqual(
      told.flatMap(
        (message) => /part .*made_big_id_fkey"( NOT VALID)?/.exec(message)?.[0].slice(0, 48) ?? [],
      ),
      [
        'part 1 of 2: ALTER TABLE made ADD CONSTRAINT "ma',
        "part 2 of 2: ALTER TABLE made VALIDATE CONSTRAIN",
      ],
    );
    assert.deepEqual(
      await database.query(
        "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' AND confrelid = 'big'::regclass",
      ),
      [{ conname: "made_big_id_fkey", convalidated: true }],
    );
    const values = "CREATE TABLE kept (big_id int); INSERT INTO kept VALUES (1)";
    folder.write(
      "0003-c.sql",
      `${values}; ALTER TABLE kept ADD FOREIGN KEY (big_id) REFERENCES big`,
    );
    const { migrations } = await planMigrations(await database.connect(), await load());
    assert.equal(migrations[2]?.statements[2]?.effects.runAs, undefined);
  });

  it("keeps a file from being run where a partitioned table of this run refers to it", async () => {
    const [why] = await whyNot(
      `CREATE TABLE made (big_id int) PARTITION BY LIST (big_id);
       CREATE TABLE made_rest PARTITION OF made DEFAULT;
       INSERT INTO made SELECT id FROM big;
ALTER TABLE made ADD FOREIGN KEY (big_id) REFERENCES big`,
    );
    assert.equal(
      why,
      "It reads as a whole made while nobody may use public.big: foreign key to public.big is proved.",
    );
  });
});
