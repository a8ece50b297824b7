import { strict as assert } from "node:assert";
import { planMigrations } from "../../engine/plan";
import { useEngine } from "../engineScene";

describe("a migration after one whose contract is still to come", () => {
  const { database, folder, load, apply, refusal, contract } = useEngine();

  beforeEach(async () => {
    folder.write(
      "0001-t.sql",
      `CREATE TABLE t (id int PRIMARY KEY, a text);
       INSERT INTO t SELECT i, i::text FROM generate_series(1, 20) i;`,
    );
    folder.write("0002-b/expand.sql", "ALTER TABLE t ADD b int;");
    folder.write("0002-b/sync.yaml", sync("a", "b"));
    await apply();
  });

  const refused = async (text: string) => {
    folder.write("0003-c/expand.sql", text);
    return (await refusal()).split("\n");
  };
  const next =
    "  Next: pulumi up once no old release runs, or npm run migrations -- contract --through 0002-b --old-role <login of the old release>; then run the same command again";

  it("may not drop a column of it, and the plan says so too", async () => {
    const lines = await refused("ALTER TABLE public.t\n  ADD d int,\n  DROP COLUMN a;");
    assert.deepEqual(lines, [
      "UserError: A pending migration changes what the contract of an earlier one is still to end; nothing was run.",
      "  0002-b keeps a of t in step until its contract:",
      "  migrations/0003-c/expand.sql:1:1",
      "    1 | ALTER TABLE public.t",
      "      | ^",
      next,
    ]);
    const migrations = await load();
    const { refusals } = await planMigrations(await database.connect(), migrations);
    const told = refusals.map((text) => `UserError: ${text}`.replaceAll(folder.path, "migrations"));
    assert.deepEqual(told.slice(0, 1), [lines.join("\n")]);
    assert.deepEqual(await database.query("SELECT id FROM stateful_cd.migrations ORDER BY id"), [
      { id: "0001-t" },
      { id: "0002-b" },
    ]);
  });

  for (const text of [
    "ALTER TABLE t RENAME COLUMN b TO c",
    "ALTER TABLE t ALTER b SET DEFAULT 7",
    "ALTER TABLE t ALTER COLUMN a TYPE varchar(9)",
    "ALTER TABLE t RENAME TO u",
    "ALTER TABLE t SET SCHEMA pg_temp",
    "DROP TABLE t",
  ]) {
    it(`may not ${text}`, async () => {
      assert.match((await refused(text))[1] ?? "", /^ {2}0002-b keeps .* of t in step/);
    });
  }

  it("may not keep one of its columns in step with yet another", async () => {
    folder.write("0003-c/sync.yaml", sync("b", "c", "int"));
    const lines = await refused("ALTER TABLE t ADD c int");
    assert.deepEqual(lines.slice(1), [
      "  0002-b keeps b of t in step until its contract, and so would 0003-c.",
      next,
    ]);
  });

  it("may do all else, and that too once the contract is done", async () => {
    folder.write(
      "0003-c.sql",
      `ALTER TABLE t ADD c int, ADD CHECK (b > 0); CREATE INDEX ON t (b);
       UPDATE t SET a = '7' WHERE id = 3;
       CREATE SCHEMA s; CREATE TABLE s.t (a int); ALTER TABLE s.t DROP a;`,
    );
    await apply();
    const { waiting } = await contract();
    assert.deepEqual(waiting, []);
    folder.write("0004-d.sql", "-- atomic: true\nALTER TABLE t RENAME COLUMN b TO d");
    await apply();
    assert.deepEqual(await database.query("SELECT d FROM t WHERE id = 3"), [{ d: 7 }]);
  });

  function sync(old: string, new_: string, type = "text"): string {
    return [
      `table: public.t\nold: [${old}]\nnew: [${new_}]`,
      `forward: { ${new_}: "CASE WHEN ${old}::text ~ '^[0-9]{1,8}$' THEN ${old}::text::int END" }`,
      `reverse: { ${old}: "${new_}::${type}" }`,
    ].join("\n");
  }
});
