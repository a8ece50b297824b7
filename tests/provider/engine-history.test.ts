import { strict as assert } from "node:assert";
import type { ApplyOptions } from "../../engine/apply";
import { planMigrations } from "../../engine/plan";
import type { Progress } from "../../engine/progress";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";
import { createDatabase, type TestDatabase } from "../postgres";

describe("the history of a database", () => {
  const { database, folder, load, apply, ...engine } = useEngine();
  const refusal = async () => (await engine.refusal()).split("\n  ").slice(1, -1);

  beforeEach(async () => {
    folder.write("0001-a.sql", "CREATE TABLE a (x int);\n-- the end\n");
    folder.write("0002-b/expand.sql", "CREATE TABLE b ();");
    folder.write("0002-b/checks/c.sql", "SELECT FROM b");
    folder.write("0002-b/contract.sql", "SELECT 1");
    folder.write("0003-c.sql", "CREATE TABLE c ();");
    await apply();
  });

  it("refuses an edited file with both digests and the first line that differs", async () => {
    const [before] = await load();
    folder.write("0001-a.sql", "CREATE TABLE a (x int);\n-- The end\n");
    const [now] = await load();
    assert.equal(
      await engine.refusal(),
      [
        "UserError: The migrations folder is not the one this database was migrated with; nothing was run.",
        "migrations/0001-a.sql was edited after it had been applied.",
        `  applied: ${String(before?.files[0]?.digest)}`,
        `  now:     ${String(now?.files[0]?.digest)}`,
        "  line 2 was: -- the end",
        "  line 2 is:  -- The end",
        "Next: restore applied files from version control (git log --stat -- migrations) and put every change into a new migration",
      ].join("\n  "),
    );
  });

  it("compares all applied files, not only the last one", async () => {
    folder.write("0001-a.sql", "CREATE TABLE a (x bigint);\n-- the end\n");
    folder.write("0002-b/expand.sql", "CREATE TABLE b ();\n");
    folder.write("0004-d.sql", "CREATE TABLE d ()");
    const lines = await refusal();
    assert.deepEqual(
      lines.filter((line) => /^(migrations|  line)/.test(line)),
      [
        "migrations/0001-a.sql was edited after it had been applied.",
        "  line 1 was: CREATE TABLE a (x int);",
        "  line 1 is:  CREATE TABLE a (x bigint);",
        "migrations/0002-b/expand.sql was edited after it had been applied.",
        "  line 2 was: (the file ends)",
        "  line 2 is:  ",
      ],
    );
    assert.deepEqual(await database.query("SELECT to_regclass('d') AS d"), [{ d: null }]);
  });

  it("sees no edit in line ends", async () => {
    folder.write("0001-a.sql", "CREATE TABLE a (x int);\r\n-- the end\r\n");
    assert.equal(
      (await apply()).migrations.some(({ applied }) => applied),
      false,
    );
  });

  it("lets what was not applied yet be edited", async () => {
    folder.write("0002-b/contract.sql", "SELECT 2");
    folder.write("0002-b/undo.sql", "SELECT 3");
    assert.equal(
      (await apply()).migrations.some(({ applied }) => applied),
      false,
    );
  });

  it("refuses a check that was added or edited after it had passed", async () => {
    folder.write("0002-b/checks/c.sql", "SELECT 1 FROM b");
    folder.write("0002-b/checks/d.sql", "SELECT FROM b");
    const lines = await refusal();
    assert.deepEqual(
      lines.filter((line) => line.startsWith("migrations")),
      [
        "migrations/0002-b/checks/c.sql was edited after it had been applied.",
        "migrations/0002-b/checks/d.sql was added after 0002-b had been applied.",
      ],
    );
  });

  it("refuses a missing file by name", async () => {
    folder.remove("0001-a.sql");
    assert.deepEqual(await refusal(), [
      "0001-a is applied, but its file is missing.",
      "  Restore the file.",
    ]);
  });

  it("refuses a renumbered file by both names", async () => {
    folder.remove("0003-c.sql");
    folder.write("0005-c.sql", "CREATE TABLE c ();");
    assert.deepEqual(await refusal(), [
      "0003-c is applied, but its file is now called 0005-c.",
      "  Name it 0003-c again.",
    ]);
  });

  it("refuses a file that comes late", async () => {
    folder.write("0002.5-x.sql", "SELECT 1");
    assert.deepEqual(await refusal(), [
      "0002.5-x comes late: 0003-c, which comes after it, is applied already.",
      "  Give it the next free number.",
    ]);
  });

  it("refuses an edit of a statement that was applied in a file that stopped half way", async () => {
    folder.write("0004-d.sql", "CREATE TABLE d ();\nVACUUM d;\nSELECT 1/0;\nSELECT 2");
    await refusal();
    folder.write("0004-d.sql", "CREATE TABLE d (x int);\nVACUUM d;\nSELECT 1;\nSELECT 2");
    assert.equal(
      (await refusal())[0],
      "migrations/0004-d.sql was edited after it had been applied.",
    );
    folder.write("0004-d.sql", "CREATE TABLE d ();\nVACUUM d;");
    assert.equal((await apply()).migrations[3]?.state, "done");
  });

  it("is told by plan, too, which refuses nothing by throwing", async () => {
    folder.remove("0001-a.sql");
    const plan = await planMigrations(await database.connect(), await load());
    assert.equal(plan.refusals.length, 1);
    assert.match(plan.refusals[0] ?? "", /0001-a is applied, but its file is missing\./);
  });

  for (const [change, cause] of [
    ["DROP TABLE stateful_cd.files CASCADE", 'relation "stateful_cd.files" does not exist (42P01)'],
    [
      "ALTER TABLE stateful_cd.journal DROP COLUMN epoch CASCADE",
      'column "epoch" does not exist (42703)',
    ],
    ["DELETE FROM stateful_cd.journal", "stateful_cd.journal has no row"],
    [
      "DROP TABLE stateful_cd.journal CASCADE",
      'relation "stateful_cd.journal" does not exist (42P01)',
    ],
  ] as const) {
    it(`is not guessed after ${change}`, async () => {
      await database.query(change);
      folder.write("0004-d.sql", "CREATE TABLE d ()");
      const told = [
        "UserError: The journal of this database, schema stateful_cd, is not as the engine made it.",
        cause,
        "It is the record of what was applied; without it nothing is run.",
        "Next: bring the schema back from a backup: pg_restore --schema stateful_cd",
      ].join("\n  ");
      assert.equal(await engine.refusal(), told);
      const plan = async () => planMigrations(await database.connect(), await load());
      assert.equal(await failureOf(plan), told);
      assert.deepEqual(await database.query("SELECT to_regclass('d') AS d"), [{ d: null }]);
    });
  }

  describe("in a copy of the database", () => {
    let copy: TestDatabase;
    beforeEach(async () => {
      copy = await createDatabase(database.name);
    });
    afterEach(async () => {
      await copy.drop();
    });
    const applyToCopy = (options: Partial<ApplyOptions> = {}) =>
      apply({ connect: copy.connect, target: "staging/bookkeeper", ...options });
    const runs = (of: Pick<TestDatabase, "query">) =>
      of.query("SELECT epoch, recognised_from FROM stateful_cd.runs ORDER BY epoch");

    it("is recognised once, keeps what was applied, and raises the epoch", async () => {
      const told: string[] = [];
      const onProgress = ({ message }: Progress) => told.push(message);
      const first = await applyToCopy({ onProgress });
      const [origin] = await database.query(
        "SELECT id, system_identifier AS s, database_oid AS o FROM stateful_cd.journal",
      );
      const name = `database ${String(origin?.o)} of server ${String(origin?.s)}`;
      assert.equal(first.recognised, name);
      assert.deepEqual(told, [`recognised journal of ${name}`]);
      assert.equal(first.journal?.id, origin?.id);
      assert.deepEqual(
        first.migrations.map(({ state, applied }) => [state, applied]),
        [
          ["done", false],
          ["verified", false],
          ["done", false],
        ],
      );
      const second = await applyToCopy({ onProgress });
      assert.equal(second.recognised, undefined);
      assert.deepEqual([told.length, second.journal?.epoch], [1, "2"]);
      assert.deepEqual(await runs(copy), [
        { epoch: "1", recognised_from: null },
        { epoch: "2", recognised_from: name },
      ]);
      assert.deepEqual(await runs(database), [{ epoch: "1", recognised_from: null }]);
    });

    it("is recognised by its target's name where the server's identifiers are the same", async () => {
      folder.write("0004-d.sql", "CREATE TABLE d ()");
      await apply({ target: "prod/bookkeeper" });
      const result = await apply({ target: "staging/bookkeeper" });
      assert.equal(result.recognised, "prod/bookkeeper");
      assert.deepEqual((await runs(database)).at(-1), {
        epoch: "3",
        recognised_from: "prod/bookkeeper",
      });
      const withoutName = await apply();
      assert.deepEqual([withoutName.recognised, withoutName.journal?.epoch], [undefined, "3"]);
    });

    it("is recognised before what is pending is applied", async () => {
      folder.write("0004-d.sql", "CREATE TABLE d ()");
      const result = await applyToCopy();
      assert.equal(result.migrations[3]?.applied, true);
      assert.deepEqual(await database.query("SELECT to_regclass('d') AS d"), [{ d: null }]);
    });

    it("does not take its own server for an earlier run of the origin's", async () => {
      await copy.query("UPDATE stateful_cd.runs SET outcome = 'running', backend_pid = 1");
      assert.notEqual((await applyToCopy()).recognised, undefined);
    });
  });
});
