import { strict as assert } from "node:assert";
import { planMigrations } from "../../engine/plan";
import { useEngine } from "../engineScene";

describe("the names in a sync.yaml", () => {
  const { database, folder, load, apply, refusal } = useEngine();
  const columns = (table: string, from: string): string =>
    `table: ${table}\nold: [${from}]\nnew: [b]\nforward: { b: ${from} }\nreverse: { ${from}: b }\n`;
  const lookup = (references: string): string =>
    `kind: lookup\ntable: t\nname: a\nid: b\nreferences: ${references}\nindexes: { t_a: [a], t_b: [b] }\n`;

  beforeEach(async () => {
    await database.query(
      "CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE r (id int PRIMARY KEY, name text UNIQUE)",
    );
    folder.write("0001-b/expand.sql", "ALTER TABLE t ADD b text;");
  });

  const refusals = async (): Promise<readonly string[]> =>
    (await planMigrations(await database.connect(), await load())).refusals;

  const wrong: [what: string, yaml: string, said: string[]][] = [
    [
      "a table",
      columns("shelves", "a"),
      [
        "There is no table shelves, and nothing that runs before mentions it.",
        "  migrations/0001-b/sync.yaml:1:8",
        "  1 | table: shelves",
        "    |        ^",
      ],
    ],
    [
      "a column",
      columns("public.t", "label"),
      [
        "public.t has no column label, and nothing that runs before mentions it.",
        "  migrations/0001-b/sync.yaml:2:7",
        "  2 | old: [label]",
        "    |       ^",
      ],
    ],
    [
      "a column of the table that a lookup refers to",
      lookup("{ table: r, id: id, name: title }"),
      [
        "public.r has no column title, and nothing that runs before mentions it.",
        "  migrations/0001-b/sync.yaml:5:39",
        "  5 | references: { table: r, id: id, name: title }",
        "    |                                       ^",
      ],
    ],
  ];
  for (const [what, yaml, said] of wrong) {
    it(`that nothing makes are refused before anything is run: ${what}`, async () => {
      folder.write("0001-b/sync.yaml", yaml);
      assert.deepEqual((await refusal()).split("\n  "), [
        "UserError: A pending migration names what is not there; nothing was run.",
        ...said,
        "Next: correct the names; one that a function makes has to be mentioned in expand.sql, if only in a comment",
      ]);
      assert.deepEqual(
        await database.query("SELECT FROM pg_namespace WHERE nspname = 'stateful_cd'"),
        [],
      );
      assert.equal((await refusals()).length, 1);
    });
  }

  it("may be those of a table that an earlier file of the same run makes", async () => {
    folder.remove("0001-b");
    folder.write("0001-s.sql", "CREATE TABLE shelves (id int PRIMARY KEY, a text);");
    folder.write("0002-b/expand.sql", "ALTER TABLE shelves ADD b text;");
    folder.write("0002-b/sync.yaml", columns("shelves", "a"));
    assert.deepEqual(await refusals(), []);
    assert.deepEqual(
      (await apply()).migrations.map(({ state }) => state),
      ["done", "verified"],
    );
  });

  it("may be those of a column that a function makes, when a comment mentions it", async () => {
    folder.write(
      "0001-b/expand.sql",
      `CREATE FUNCTION widen() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
         EXECUTE 'ALTER TABLE public.t ADD ' || chr(98) || ' text'; END $$;
       SELECT widen(); -- adds b`,
    );
    folder.write("0001-b/sync.yaml", columns("t", "a"));
    await apply();
    assert.deepEqual(await database.query("SELECT b FROM t"), []);
  });
});
