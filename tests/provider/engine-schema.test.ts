import { strict as assert } from "node:assert";
import { inspectSchema } from "../../engine/inspect";
import { planMigrations } from "../../engine/plan";
import { diffSchemas, schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { useEngine } from "../engineScene";
import { createDatabase, useDatabase } from "../postgres";

const schema = `
CREATE SCHEMA bbq;
CREATE TABLE bbq.menu (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  item text NOT NULL UNIQUE,
  price numeric(10, 2) DEFAULT 1 CHECK (price > 0)
);
CREATE VIEW bbq.cheap AS SELECT id, item FROM bbq.menu WHERE price < 5;
CREATE TYPE bbq.mood AS ENUM ('fine', 'ok');
CREATE DOMAIN bbq.money AS numeric CHECK (VALUE >= 0);
CREATE SEQUENCE bbq.numbers;
CREATE FUNCTION bbq.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER touch BEFORE INSERT ON bbq.menu FOR EACH ROW EXECUTE FUNCTION bbq.touch();
CREATE POLICY mine ON bbq.menu USING (price > 2);
CREATE AGGREGATE bbq.total (integer) (sfunc = int4pl, stype = integer);
`;

describe("the schema fingerprint", () => {
  const database = useDatabase();
  const read = async (of: { connect: typeof database.connect }) => {
    const client = await of.connect();
    const fingerprint = await schemaFingerprint(client);
    await client.end();
    return fingerprint;
  };

  const changes: [sql: string, difference: string[]][] = [
    ["ALTER TABLE bbq.menu ADD extra int", ["table bbq.menu: column extra added"]],
    [
      "ALTER TABLE bbq.menu DROP price CASCADE",
      [
        "table bbq.menu: column price removed",
        "table bbq.menu: constraint menu_price_check removed",
        "table bbq.menu: policy mine removed",
        "view bbq.cheap removed",
      ],
    ],
    [
      "ALTER TABLE bbq.menu ALTER price DROP DEFAULT",
      ["table bbq.menu: column price changed from numeric(10,2) default 1 to numeric(10,2)"],
    ],
    [
      "ALTER TABLE bbq.menu ALTER price SET NOT NULL",
      [
        "table bbq.menu: column price changed from numeric(10,2) default 1 to numeric(10,2) not null default 1",
      ],
    ],
    ["CREATE INDEX menu_price ON bbq.menu (price)", ["table bbq.menu: index menu_price added"]],
    [
      "ALTER TABLE bbq.menu ADD CONSTRAINT c CHECK (price < 9) NOT VALID",
      ["table bbq.menu: constraint c added"],
    ],
    [
      "ALTER TABLE bbq.menu DISABLE TRIGGER touch",
      ["table bbq.menu: trigger touch changed its definition"],
    ],
    [
      "ALTER TABLE bbq.menu ENABLE ROW LEVEL SECURITY",
      ["table bbq.menu: changed from nothing to row security"],
    ],
    [
      "ALTER POLICY mine ON bbq.menu USING (price > 3)",
      [
        "table bbq.menu: policy mine changed from permissive for * to public using (price > (2)::numeric) to permissive for * to public using (price > (3)::numeric)",
      ],
    ],
    ["GRANT SELECT ON bbq.menu TO PUBLIC", ["table bbq.menu: grant to PUBLIC added"]],
    [
      "GRANT UPDATE (item) ON bbq.menu TO PUBLIC",
      ["table bbq.menu: column item grant to PUBLIC added"],
    ],
    [
      "REVOKE ALL ON FUNCTION bbq.touch() FROM PUBLIC",
      ["function bbq.touch(): grant to PUBLIC removed"],
    ],
    [
      "CREATE OR REPLACE VIEW bbq.cheap AS SELECT id, item FROM bbq.menu WHERE price < 6",
      ["view bbq.cheap: changed its definition"],
    ],
    [
      "CREATE OR REPLACE FUNCTION bbq.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
      ["function bbq.touch(): changed its definition"],
    ],
    [
      "ALTER TYPE bbq.mood ADD VALUE 'bad'",
      ["type bbq.mood: changed from enum 'fine', 'ok' to enum 'fine', 'ok', 'bad'"],
    ],
    [
      "ALTER SEQUENCE bbq.numbers INCREMENT 2",
      [
        "sequence bbq.numbers: changed from bigint start 1 by 1 from 1 to 9223372036854775807 to bigint start 1 by 2 from 1 to 9223372036854775807",
      ],
    ],
    ["CREATE EXTENSION hstore", ["extension hstore added"]],
    ['CREATE TABLE bbq."odd""name\n" (a int)', ['table bbq."odd""name\ufffd" added']],
    [
      "ALTER DEFAULT PRIVILEGES IN SCHEMA bbq GRANT SELECT ON TABLES TO PUBLIC",
      ["default privileges of postgres in bbq: for r grant to PUBLIC added"],
    ],
  ];
  for (const [sql, difference] of changes) {
    it(`shows ${sql.replace(/\s+/g, " ").slice(0, 70)}`, async () => {
      await database.query(schema);
      const before = await read(database);
      await database.query(sql);
      const now = await read(database);
      assert.deepEqual(diffSchemas(before.facts, now.facts), difference);
      assert.notEqual(before.digest, now.digest);
    });
  }

  it("does not move with data, statistics, sequence values, the journal or temporary tables", async () => {
    await database.query(schema);
    const before = await read(database);
    const client = await database.connect();
    await client.query(
      "INSERT INTO bbq.menu (item) VALUES ('ribs'); SELECT nextval('bbq.numbers'); CREATE TEMP TABLE x (a int); CREATE SCHEMA stateful_cd; CREATE TABLE stateful_cd.runs (a int)",
    );
    await client.query("ANALYZE");
    assert.equal((await schemaFingerprint(client)).digest, before.digest);
  });

  it("is the same for a copy and for a schema built anew with other OIDs", async () => {
    await database.query(schema);
    const before = await read(database);
    const copy = await createDatabase(database.name);
    assert.equal((await read(copy)).digest, before.digest);
    await copy.drop();
    await database.query("DROP SCHEMA bbq CASCADE; CREATE TABLE x (); DROP TABLE x");
    await database.query(schema);
    await database.query("ALTER TABLE bbq.menu ADD gone int; ALTER TABLE bbq.menu DROP gone");
    const again = await read(database);
    assert.deepEqual(diffSchemas(before.facts, again.facts), []);
    assert.equal(again.digest, before.digest);
  });

  it("does not depend on the session's search_path", async () => {
    await database.query(schema);
    const client = await database.connect();
    await client.query("SET search_path = bbq, public");
    assert.equal((await schemaFingerprint(client)).digest, (await read(database)).digest);
    const { rows } = await client.query("SHOW search_path");
    assert.deepEqual(rows, [{ search_path: "bbq, public" }]);
  });
});

describe("looking without writing", () => {
  const { database, folder, load, apply } = useEngine();

  it("plans on an empty database", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (a int);\n\nINSERT INTO t\n  VALUES (1);\nVACUUM t");
    folder.write("0002-b/expand.sql", "SELECT 1");
    const plan = await planMigrations(await database.connect(), await load());
    assert.deepEqual(plan.refusals, []);
    assert.equal(plan.journal, undefined);
    assert.deepEqual(
      plan.migrations.map(({ id, kind, state }) => [id, kind, state]),
      [
        ["0001-a", "plain", "pending"],
        ["0002-b", "phased", "pending"],
      ],
    );
    assert.deepEqual(
      plan.migrations[0]?.statements.map(({ effects, ...statement }) => ({
        ...statement,
        ...(effects.locks.length > 0 && { effects }),
        place: statement.place.replace(folder.path, "migrations"),
      })),
      [
        {
          number: 1,
          place: "migrations/0001-a.sql:1",
          head: "CREATE TABLE t (a int)",
          inTransaction: true,
        },
        {
          number: 2,
          place: "migrations/0001-a.sql:3",
          head: "INSERT INTO t VALUES (1)",
          inTransaction: true,
        },
        { number: 3, place: "migrations/0001-a.sql:5", head: "VACUUM t", inTransaction: false },
      ],
    );
    assert.deepEqual(
      await database.query("SELECT FROM pg_namespace WHERE nspname = 'stateful_cd'"),
      [],
    );
  });

  it("plans what is left of a file that stopped half way, and nothing of what is done", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (a int)");
    folder.write("0002-b.sql", "VACUUM t; SELECT 1/0");
    await assert.rejects(apply());
    const plan = await planMigrations(await database.connect(), await load());
    assert.deepEqual(
      plan.migrations.map(({ state, statements }) => [state, statements.map(({ head }) => head)]),
      [
        ["done", []],
        ["expanding", ["SELECT 1/0"]],
      ],
    );
  });

  it("tells an unknown last migration as a refusal", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    const plan = await planMigrations(await database.connect(), await load(), "0009-z");
    assert.deepEqual(
      plan.refusals.map((refusal) => refusal.split("\n")[0]),
      ['There is no migration "0009-z".'],
    );
  });

  it("inspects journal, drift, invalid indexes and constraints that were never validated", async () => {
    folder.write("0001-a.sql", "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)");
    const empty = await inspectSchema(await database.connect(), await load());
    assert.deepEqual([empty.journal, empty.migrations[0]?.state], [undefined, "pending"]);
    await apply({ target: "prod/a" });
    const before = await inspectSchema(await database.connect(), await load());
    await database.query(
      "ALTER TABLE t ADD b int; ALTER TABLE t ADD CONSTRAINT b CHECK (b > 0) NOT VALID",
    );
    const client = await database.connect();
    await assert.rejects(client.query('CREATE UNIQUE INDEX CONCURRENTLY "T" ON t (a)'));
    folder.write("0001-a.sql", "CREATE TABLE t (a bigint)");
    const now = await inspectSchema(client, await load());
    assert.deepEqual(now.invalidIndexes, ['public."T" on public.t']);
    assert.deepEqual(now.unvalidatedConstraints, ["b on public.t"]);
    assert.deepEqual(now.migrations[0]?.editedFiles, ["0001-a.sql"]);
    assert.equal(now.journal?.target, "prod/a");
    assert.deepEqual(diffSchemas(before.schemaFacts, now.schemaFacts), [
      "table public.t: column b added",
      "table public.t: constraint b added",
      'table public.t: index "T" added',
    ]);
    const none = await inspectSchema(client, []);
    assert.deepEqual(none.unknownMigrations, ["0001-a"]);
  });
});
