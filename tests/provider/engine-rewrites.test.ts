import { strict as assert } from "node:assert";
import type { Client } from "pg";
import type { ApplyOptions } from "../../engine/apply";
import { planMigrations } from "../../engine/plan";
import type { Progress } from "../../engine/progress";
import { schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";
import { createDatabase } from "../postgres";
import { postgresMajor } from "../postgresServer";

const scene = `
  CREATE TABLE parent (id int PRIMARY KEY);
  CREATE TABLE t (id int NOT NULL, parent_id int, name text, n int DEFAULT 1);
  INSERT INTO parent SELECT generate_series(1, 20);
  INSERT INTO t SELECT g, g, 'n' || g, g FROM generate_series(1, 20) g;`;

/** Statements and the parts that each is carried out in. */
const rewritten: readonly (readonly [sql: string, parts: number])[] = [
  ["ALTER TABLE t ALTER COLUMN name SET NOT NULL", 3],
  ["ALTER TABLE t ALTER COLUMN name SET NOT NULL, ALTER n SET NOT NULL", 6],
  ["ALTER TABLE t ADD CONSTRAINT t_parent FOREIGN KEY (parent_id) REFERENCES parent", 2],
  ["ALTER TABLE t ADD FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE", 2],
  ["ALTER TABLE t ADD CONSTRAINT few CHECK (n < 100)", 2],
  ["ALTER TABLE ONLY t ADD CHECK (n < 100 AND n > 0)", 2],
  ["ALTER TABLE t ADD CHECK (n < id + 1)", 2],
  ["ALTER TABLE t -- c\n ADD y int -- c\n, ADD -- c\n CHECK (n > 0) -- c\n", 3],
  ["ALTER TABLE t ADD UNIQUE (name)", 2],
  ["ALTER TABLE t ADD CONSTRAINT u UNIQUE (name, id) INCLUDE (n) DEFERRABLE INITIALLY DEFERRED", 2],
  ["ALTER TABLE t ADD PRIMARY KEY (id)", 2],
  ["ALTER TABLE t ADD CONSTRAINT the_key PRIMARY KEY (id, name)", 5],
  ["CREATE INDEX t_name ON t (name)", 1],
  ["CREATE INDEX ON t (lower(name), n, (n + 1))", 1],
  [
    "CREATE INDEX -- c\n ON t ((n::text), coalesce(name, ''), name COLLATE \"C\") INCLUDE (id) -- c",
    1,
  ],
  ["CREATE UNIQUE INDEX IF NOT EXISTS t_u ON t USING btree (name text_pattern_ops) WHERE n > 0", 1],
  ["ALTER TABLE t ADD COLUMN x int DEFAULT 5, ALTER n SET NOT NULL, ADD CHECK (x > 0)", 6],
];

describe("a statement that would hold others up", () => {
  const { database, folder, load, abort, ...engine } = useEngine();
  let told: Progress[] = [];
  const apply = (options: Partial<ApplyOptions> = {}) =>
    engine.apply({ onProgress: (progress) => told.push(progress), ...options });
  const partsTold = () =>
    told.flatMap(({ message }) => /part (\d+) of (\d+)/.exec(message)?.slice(1) ?? []).map(Number);
  /** The schema that the statement makes when PostgreSQL runs it as it is. */
  const plainSchema = async (sql: string) => {
    const other = await createDatabase();
    try {
      await other.query(`${scene}${sql}`);
      return (await schemaFingerprint(await other.connect())).facts;
    } finally {
      await other.drop();
    }
  };
  const schemaNow = async () => (await schemaFingerprint(await database.connect())).facts;

  beforeEach(async () => {
    told = [];
    await database.query(scene);
  });

  for (const [sql, parts] of rewritten) {
    it(`ends in the same schema in parts: ${sql}`, async () => {
      folder.write("0001-a.sql", sql);
      await apply();
      assert.deepEqual(
        partsTold(),
        Array.from({ length: parts }, (_, index) => [index + 1, parts]).flat(),
      );
      assert.deepEqual(await schemaNow(), await plainSchema(sql));
      assert.deepEqual(await database.query("SELECT FROM stateful_cd.rewrites"), []);
    });
  }

  if (postgresMajor >= 18) {
    it("ends in the same schema where it is a NOT NULL constraint of PostgreSQL 18", async () => {
      const sql = "ALTER TABLE t ADD NOT NULL name, ADD CONSTRAINT n_is NOT NULL n";
      folder.write("0001-a.sql", sql);
      await apply();
      assert.deepEqual(partsTold(), [1, 4, 2, 4, 3, 4, 4, 4]);
      assert.deepEqual(await schemaNow(), await plainSchema(sql));
    });
  }

  it("goes on with the part whose connection was lost, at every part", async () => {
    const sql = "ALTER TABLE t ADD CONSTRAINT the_key PRIMARY KEY (id, name)";
    folder.write("0001-a.sql", `SELECT 1;\n${sql};`);
    for (let part = 1; part <= 5; part++) {
      const clients: Client[] = [];
      const connect = async () => {
        const client = await database.connect();
        clients.push(client);
        return client;
      };
      const onProgress = ({ message }: Progress) => {
        if (message.includes(`part ${part} of 5`)) clients[0]?.connection.stream.destroy();
      };
      assert.match(
        await failureOf(() => apply({ connect, onProgress })),
        /the next run goes on from there/,
      );
      const rows = await database.query("SELECT done FROM stateful_cd.rewrites");
      assert.deepEqual(rows, [{ done: part - 1 }]);
    }
    await apply();
    assert.deepEqual(partsTold(), [5, 5]);
    assert.deepEqual(await schemaNow(), await plainSchema(sql));
  });

  it("is taken back by abort, wherever its connection was lost", async () => {
    const before = await schemaNow();
    folder.write(
      "0001-a/expand.sql",
      "CREATE INDEX t_n ON t (n);\nALTER TABLE t ADD CONSTRAINT the_key PRIMARY KEY (id, name);",
    );
    folder.write("0001-a/contract.sql", "SELECT 1");
    for (const part of ["1 of 1", "1 of 5", "2 of 5", "3 of 5", "4 of 5", "5 of 5"]) {
      const clients: Client[] = [];
      const connect = async () => {
        const client = await database.connect();
        clients.push(client);
        return client;
      };
      const onProgress = ({ message }: Progress) => {
        if (message.includes(`part ${part}`)) clients[0]?.connection.stream.destroy();
      };
      assert.match(
        await failureOf(() => apply({ connect, onProgress })),
        /the next run goes on from there/,
      );
      await abort("0001-a");
      assert.deepEqual(await schemaNow(), before, part);
    }
    assert.deepEqual(await database.query("SELECT FROM stateful_cd.rewrites"), []);
  });

  it("leaves nothing behind when a row stands against it, and can be repeated", async () => {
    await database.query("UPDATE t SET name = NULL WHERE id = 7");
    const before = await schemaNow();
    folder.write("0001-a.sql", "ALTER TABLE t ALTER COLUMN name SET NOT NULL;");
    assert.equal(
      await failureOf(apply, folder),
      [
        'UserError: Migration 0001-a failed: check constraint "stateful_cd_t_name_not_null" of relation "t" is violated by some row (23514).',
        "migrations/0001-a.sql:1:1 (statement 1 of 1)",
        "1 | ALTER TABLE t ALTER COLUMN name SET NOT NULL;",
        "  | ^",
        'Column "name" holds a NULL: that CHECK proves SET NOT NULL.',
        "Statements before it are done and stay; this one left nothing behind.",
        "Next: correct migrations/0001-a.sql, then run the same command again: it goes on where this stopped",
      ].join("\n  "),
    );
    assert.deepEqual(await schemaNow(), before);
    await database.query("UPDATE t SET name = 'x' WHERE id = 7");
    await apply();
    assert.deepEqual(await schemaNow(), await plainSchema("ALTER TABLE t ALTER name SET NOT NULL"));
  });

  it("runs as written where there is nothing to do for it, or the file says so", async () => {
    await database.query("CREATE TABLE empty (a int); CREATE INDEX present ON t (n)");
    folder.write("0001-a.sql", "CREATE TABLE made (a int); INSERT INTO made VALUES (1)");
    folder.write(
      "0002-b.sql",
      "CREATE INDEX made_a ON made (a); CREATE INDEX empty_a ON empty (a)",
    );
    folder.write("0003-c.sql", "-- why\n-- atomic: true\nALTER TABLE t ALTER id TYPE bigint");
    folder.write("0004-d.sql", "CREATE INDEX IF NOT EXISTS present ON t (id)");
    await apply();
    assert.deepEqual(partsTold(), []);
    const steps = await database.query("SELECT alone FROM stateful_cd.steps");
    assert.deepEqual(steps, Array(4).fill({ alone: false }));
  });

  it("is looked for under the settings that its file makes on the way", async () => {
    await database.query(
      "CREATE SCHEMA app; CREATE TABLE app.u (a int); INSERT INTO app.u VALUES (1)",
    );
    folder.write("0001-a.sql", "SELECT 1; SET search_path = app; CREATE INDEX ON u (a)");
    const client = await database.connect();
    const { migrations } = await planMigrations(client, await load());
    const planned = migrations[0]?.statements.map(({ effects }) => effects.runAs);
    assert.deepEqual(planned, [undefined, undefined, "CREATE INDEX CONCURRENTLY"]);
    await apply();
    assert.deepEqual(partsTold(), [1, 1]);
    assert.deepEqual(await database.query("SELECT to_regclass('app.u_a_idx') IS NULL AS missing"), [
      { missing: false },
    ]);
  });

  it("leaves it to PostgreSQL to say that a role is not there, at its statement", async () => {
    folder.write("0001-a.sql", "SET ROLE nobody_of_ours;\nCREATE INDEX t_n ON t (n);");
    assert.deepEqual((await failureOf(apply, folder)).split("\n  ").slice(0, 3), [
      'UserError: Migration 0001-a failed: role "nobody_of_ours" does not exist (22023).',
      "migrations/0001-a.sql:1:1 (statement 1 of 2)",
      "1 | SET ROLE nobody_of_ours;",
    ]);
    assert.deepEqual(await database.query("SELECT to_regclass('t_n') AS t_n"), [{ t_n: null }]);
  });

  it("is refused where there is no other way, before anything of its file is run", async () => {
    await database.query("ANALYZE t");
    folder.write("0001-a.sql", "CREATE TABLE x ();\nALTER TABLE t ALTER COLUMN id TYPE bigint;");
    assert.equal(
      await failureOf(apply, folder),
      [
        "UserError: Migration 0001-a would hold others up; nothing of migrations/0001-a.sql was run.",
        "migrations/0001-a.sql:2:1",
        "2 | ALTER TABLE t ALTER COLUMN id TYPE bigint;",
        "  | ^",
        "It writes anew public.t while nobody may use it: column id changes its type.",
        "About 20 rows: others would wait 1 ms (an estimate).",
        "Online it is a folder of two files; the new release uses the new name, which you choose:",
        "expand.sql:",
        '  ALTER TABLE public.t ADD COLUMN "id_new" bigint;',
        "sync.yaml:",
        "  kind: type",
        "  table: public.t",
        '  old: "id"',
        '  new: "id_new"',
        '  type: "bigint"',
        'Next: write these files instead (docs/decisions/dual-write.md); or write "-- atomic: true" on the first line of migrations/0001-a.sql to run it as it stands',
      ].join("\n  "),
    );
    assert.deepEqual(await database.query("SELECT to_regclass('x') AS x"), [{ x: null }]);
  });

  it("is not run behind a strong lock: a transaction ends where long work begins", async () => {
    await database.query(
      "INSERT INTO t (id) SELECT generate_series(21, 40000); ANALYZE t; CREATE TABLE other (a int); CREATE TABLE kept (LIKE t)",
    );
    const keep = "INSERT INTO kept SELECT * FROM t";
    folder.write(
      "0001-a.sql",
      `ALTER TABLE other ADD b int; INSERT INTO other VALUES (1); ${keep}; ${keep}; ALTER TABLE other ADD c int`,
    );
    await apply();
    const steps = await database.query(
      "SELECT first_statement AS first, last_statement AS last FROM stateful_cd.steps ORDER BY 1",
    );
    assert.deepEqual(steps, [
      { first: 1, last: 2 },
      { first: 3, last: 4 },
      { first: 5, last: 5 },
    ]);
  });
});
