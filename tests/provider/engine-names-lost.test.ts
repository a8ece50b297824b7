import { strict as assert } from "node:assert";
import { planMigrations } from "../../engine/plan";
import { useEngine } from "../engineScene";

describe("a migration that takes a name away", () => {
  const { database, folder, load, apply, refusal, contract } = useEngine();

  beforeEach(() =>
    database.query(
      `CREATE TABLE t (id int PRIMARY KEY, a int, _dropped_b int); INSERT INTO t VALUES (1, 1, 1);
       CREATE TABLE empty (id int, a int);
       CREATE TABLE part (id int) PARTITION BY LIST (id);
       CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1); INSERT INTO part VALUES (1)`,
    ),
  );

  it("is refused while the release that is served may use it, and is told the way", async () => {
    folder.write("0001-a.sql", "ALTER TABLE t\n  DROP COLUMN a;");
    assert.deepEqual((await refusal()).split("\n  "), [
      "UserError: Migration 0001-a would take away what the release that is served may use; nothing of migrations/0001-a.sql was run.",
      "migrations/0001-a.sql:1:1",
      "1 | ALTER TABLE t",
      "  | ^",
      "It drops column a of public.t, which was there before this run and has rows.",
      'Next: drop it in contract.sql of a migration that is a folder, which runs once no old release is connected; its expand.sql may be SELECT 1; or write "-- atomic: true" on the first line of migrations/0001-a.sql to run it as it stands',
    ]);
    for (const [sql, why, way] of [
      ["ALTER TABLE t RENAME a TO b", "renames column a of public.t", "rename it by sync.yaml"],
      ["ALTER TABLE t RENAME TO u", "renames table public.t", "add CREATE VIEW of its old name"],
      ["DROP TABLE t", "drops table public.t", "drop it in contract.sql"],
      ["DROP TABLE part", "drops table public.part", "drop it in contract.sql"],
    ] as const) {
      for (const name of ["0001-a.sql", "0001-a/expand.sql"]) {
        folder.write(name, sql);
        const lines = (await refusal()).split("\n  ");
        assert.equal(lines[4], `It ${why}, which was there before this run and has rows.`);
        assert.ok(lines[5]?.startsWith(`Next: ${way}`), lines[5]);
        const { refusals } = await planMigrations(await database.connect(), await load());
        assert.equal(refusals.length, 1);
        folder.remove(name.split("/")[0] ?? "");
      }
    }
  });

  it("is run where that is the way, and where the file says so", async () => {
    folder.write("0001-a/expand.sql", "SELECT 1");
    folder.write("0001-a/contract.sql", "ALTER TABLE t DROP COLUMN a");
    await apply();
    assert.deepEqual((await contract()).waiting, []);
    folder.write("0002-b.sql", "-- atomic: true\nDROP TABLE t");
    await apply();
    assert.deepEqual(await database.query("SELECT to_regclass('t') AS t"), [{ t: null }]);
  });

  it("is free where nobody can miss it", async () => {
    folder.write(
      "0001-a.sql",
      `ALTER TABLE empty DROP COLUMN a; ALTER TABLE empty RENAME TO void; DROP TABLE void;
       CREATE TABLE made (id int, a int); INSERT INTO made VALUES (1, 1);
       ALTER TABLE made DROP COLUMN a; DROP TABLE made;
       ALTER TABLE t DROP COLUMN IF EXISTS nothing, DROP COLUMN _dropped_b; DROP TABLE part_1;
       ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u`,
    );
    await apply();
    assert.deepEqual(await database.query("SELECT a FROM t"), [{ a: 1 }]);
  });
});
