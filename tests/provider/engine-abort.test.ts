import { strict as assert } from "node:assert";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { findDrift } from "../../engine/journal/recordedSchema";
import { schemaFingerprint } from "../../engine/schema/schemaFingerprint";
import { generateSample } from "../bookkeeper";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";

describe("abort", () => {
  const { database, folder, apply, refusal, abort, states } = useEngine();
  const fingerprint = async () => (await schemaFingerprint(await database.connect())).facts;

  it("takes triggers and new objects back, leaves old columns as they are, and lets it be applied again", async () => {
    const migrations = await loadMigrations("migrations");
    await apply({ migrations, through: "0001-bookkeeper" });
    await generateSample(database, 300, "abort");
    const before = await fingerprint();
    const rows = () =>
      database
        .query("SELECT id, location FROM warehouses ORDER BY id")
        .then((w) =>
          database
            .query("SELECT id, warehouse_name, quantity FROM inventory ORDER BY id")
            .then((i) => [w, i]),
        );
    const old = await rows();
    await apply({ migrations });
    const applied = await fingerprint();
    assert.deepEqual(
      [
        await abort("0003-warehouse-address", { migrations }),
        await abort("0002-inventory-warehouse", { migrations }),
      ],
      [
        { id: "0003-warehouse-address", state: "aborted", aborted: true },
        { id: "0002-inventory-warehouse", state: "aborted", aborted: true },
      ],
    );
    assert.deepEqual(await fingerprint(), before);
    assert.deepEqual(await rows(), old);
    assert.deepEqual(
      await database.query(
        `SELECT proname AS name FROM pg_proc WHERE pronamespace = 'stateful_cd'::regnamespace
         UNION SELECT relname FROM pg_class WHERE relname LIKE 'stateful\\_cd\\_%' OR relname LIKE 'sync\\_%'
                AND relkind = 'S'
         UNION SELECT tgname FROM pg_trigger WHERE tgname LIKE '~%'`,
      ),
      [{ name: "sync_conflicts_id_seq" }],
    );
    assert.deepEqual(await findDrift(await database.connect()), []);
    assert.deepEqual(await abort("0002-inventory-warehouse", { migrations }), {
      id: "0002-inventory-warehouse",
      state: "aborted",
      aborted: false,
    });
    await apply({ migrations });
    assert.deepEqual(await fingerprint(), applied);
    assert.deepEqual(await states(), {
      "0001-bookkeeper": "done",
      "0002-inventory-warehouse": "verified",
      "0003-warehouse-address": "verified",
    });
  });

  describe("of a small migration", () => {
    beforeEach(() => {
      folder.write("0001-t.sql", "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1)");
      folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b int;\nCREATE INDEX t_b ON t (b);");
    });

    it("allows an edited file to be applied in its place, or to be removed", async () => {
      await apply();
      await abort("0002-b");
      folder.write("0002-b/expand.sql", "ALTER TABLE t ADD c int");
      await apply();
      assert.deepEqual(await database.query("SELECT * FROM t"), [{ a: 1, c: null }]);
      await abort("0002-b");
      folder.remove("0002-b");
      folder.write("0003-d.sql", "CREATE TABLE d ()");
      await apply();
      assert.deepEqual(await states(), { "0001-t": "done", "0002-b": "aborted", "0003-d": "done" });
    });

    it("takes back only as much of expand.sql as was applied", async () => {
      await database.query("CREATE TABLE mine (x int); INSERT INTO mine VALUES (1)");
      folder.write(
        "0002-b/expand.sql",
        "ALTER TABLE t ADD b int;\nCREATE INDEX CONCURRENTLY t_b ON t (b);\nCREATE TABLE mine ();",
      );
      assert.match(await refusal(), /relation "mine" already exists/);
      assert.deepEqual(await states(), { "0001-t": "done", "0002-b": "expanding" });
      await abort("0002-b");
      assert.deepEqual(await database.query("SELECT * FROM mine"), [{ x: 1 }]);
      assert.deepEqual(await database.query("SELECT * FROM t"), [{ a: 1 }]);
    });

    it("waits for nobody's view: it says what stands on the new column, and goes on without it", async () => {
      await apply();
      await database.query("CREATE VIEW v AS SELECT b FROM t");
      assert.equal(
        await failureOf(() => abort("0002-b")),
        [
          "UserError: Migration 0002-b failed while taking back what expand.sql has made: cannot drop column b of table t because other objects depend on it (2BP01).",
          "detail: view v depends on column b of table t",
          "hint: Use DROP ... CASCADE to drop the dependent objects too.",
          "Next: mend what is named above, then run the same command again",
        ].join("\n  "),
      );
      assert.deepEqual(await states(), { "0001-t": "done", "0002-b": "aborting" });
      assert.equal(
        await refusal(),
        [
          "UserError: Migration 0002-b is being taken back; it cannot be applied before that is done.",
          "Next: npm run migrations -- abort 0002-b",
        ].join("\n  "),
      );
      await database.query("DROP VIEW v");
      await abort("0002-b");
      assert.deepEqual(await states(), { "0001-t": "done", "0002-b": "aborted" });
    });

    it("needs abort.sql where expand.sql changed what was there, and runs it in its place", async () => {
      folder.write(
        "0002-b/expand.sql",
        "ALTER TABLE t ADD b int;\nALTER TABLE t ALTER COLUMN a TYPE bigint;\nUPDATE t SET a = a + 1;",
      );
      await apply();
      assert.equal(
        await failureOf(() => abort("0002-b"), folder),
        [
          "UserError: Migration 0002-b cannot be taken back by itself; nothing was changed.",
          "Nothing in these statements tells what was there before:",
          "ALTER TABLE t ALTER COLUMN a TYPE bigint",
          "  migrations/0002-b/expand.sql:2:1",
          "  2 | ALTER TABLE t ALTER COLUMN a TYPE bigint;",
          "    | ^",
          "UPDATE t SET a = a + 1",
          "  migrations/0002-b/expand.sql:3:1",
          "  3 | UPDATE t SET a = a + 1;",
          "    | ^",
          "Next: write migrations/0002-b/abort.sql, which takes back all of expand.sql, then run the same command again",
        ].join("\n  "),
      );
      assert.deepEqual(await states(), { "0001-t": "done", "0002-b": "verified" });
      folder.write(
        "0002-b/abort.sql",
        "ALTER TABLE t DROP COLUMN b;\nUPDATE t SET a = a - 1;\nSELECT 1/0;",
      );
      assert.equal(
        await failureOf(() => abort("0002-b"), folder),
        [
          "UserError: Migration 0002-b failed: division by zero (22012).",
          "migrations/0002-b/abort.sql:3:1 (statement 3 of 3)",
          "3 | SELECT 1/0;",
          "  | ^",
          "Nothing of the abort was kept: its transaction was rolled back.",
          "Next: correct migrations/0002-b/abort.sql, then run the same command again: it goes on where this stopped",
        ].join("\n  "),
      );
      folder.write("0002-b/abort.sql", "ALTER TABLE t DROP COLUMN b;\nUPDATE t SET a = a - 1;");
      await abort("0002-b");
      assert.deepEqual(await database.query("SELECT * FROM t"), [{ a: "1" }]);
    });

    it("refuses what is pending, plain, contracted, or built upon, each with its reason", async () => {
      assert.equal(
        await failureOf(() => abort("0002-b")),
        [
          "UserError: Migration 0002-b cannot be aborted.",
          "It is pending: nothing of it is there.",
          "Next: remove it from the folder",
        ].join("\n  "),
      );
      folder.write("0003-c/expand.sql", "CREATE TABLE c ()");
      await apply();
      assert.equal(
        await failureOf(() => abort("0001-t")),
        [
          "UserError: Migration 0001-t cannot be aborted.",
          "It is a plain file, and it is done: only a phased migration has a way back.",
          "Next: write a new migration that takes back what it did",
        ].join("\n  "),
      );
      assert.equal(
        await failureOf(() => abort("0002-b")),
        [
          "UserError: Migration 0002-b cannot be aborted: 0003-c, which comes after it, is verified.",
          "What comes after it may build on it.",
          "Next: npm run migrations -- abort 0003-c",
        ].join("\n  "),
      );
      await database.query("UPDATE stateful_cd.migrations SET state = 'done' WHERE id = '0003-c'");
      assert.equal(
        await failureOf(() => abort("0003-c")),
        [
          "UserError: Migration 0003-c cannot be aborted.",
          "It is done: the old shape has been given up, or is about to be.",
          "Next: npm run migrations -- undo 0003-c, then abort it",
        ].join("\n  "),
      );
    });
  });

  it("takes constraints without a name back with the columns that they are on", async () => {
    await database.query(
      "CREATE TABLE kinds (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, a int)",
    );
    const before = await fingerprint();
    folder.write(
      "0001-b/expand.sql",
      `ALTER TABLE t ADD b int, ADD c int; ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES kinds;
       ALTER TABLE t ADD CHECK (b > a), ADD UNIQUE (a, c);`,
    );
    await apply();
    await abort("0001-b");
    assert.deepEqual(
      (await fingerprint()).filter((fact) => !fact.join().includes("stateful_cd")),
      before,
    );
    folder.write("0001-b/expand.sql", "ALTER TABLE t ADD b int; ALTER TABLE t ADD CHECK (a > 0);");
    await apply();
    assert.match(
      await failureOf(() => abort("0001-b"), folder),
      /^UserError: Migration 0001-b cannot be taken back by itself; nothing was changed\.\n {2}Nothing in these statements tells what was there before:\n {2}ALTER TABLE t ADD CHECK \(a > 0\)/,
    );
  });
});
