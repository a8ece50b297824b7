import { strict as assert } from "node:assert";
import { useEngine } from "../engineScene";

describe("a migration that comes late", () => {
  const { folder, apply, ...engine } = useEngine();
  const refusal = async () => (await engine.refusal()).split("\n  ").slice(1, -1);

  beforeEach(async () => {
    folder.write(
      "0001-a.sql",
      "CREATE TABLE a (x int PRIMARY KEY); CREATE TYPE mood AS ENUM ('glad')",
    );
    folder.write("0005-b.sql", "CREATE SCHEMA shop; CREATE TABLE shop.b (x int REFERENCES a)");
    await apply();
  });

  it("is refused without a policy", async () => {
    folder.write("0002-late.sql", "CREATE TABLE late ()");
    assert.deepEqual(await refusal(), [
      "0002-late comes late: 0005-b, which comes after it, is applied already.",
      "  Give it the next free number.",
    ]);
  });

  describe("under lateFiles: disjoint", () => {
    beforeEach(() => {
      folder.write("policy.yaml", "lateFiles: disjoint\n");
    });

    it("is applied when it names nothing that later ones name", async () => {
      folder.write("0002-late.sql", "CREATE TABLE late (m mood); CREATE INDEX late_m ON late (m)");
      const { migrations } = await apply();
      assert.deepEqual(
        migrations.map(({ id, applied }) => [id, applied]),
        [
          ["0001-a", false],
          ["0002-late", true],
          ["0005-b", false],
        ],
      );
    });

    for (const [what, sql, shared] of [
      ["a table that a later one refers to", "ALTER TABLE a ADD y int", "a"],
      ["a table under another schema's name", "CREATE TABLE b ()", "b"],
      ["a schema that a later one creates", "CREATE TABLE shop.late ()", "shop"],
      ["a type that a later one would find in its place", "CREATE TYPE b AS ENUM ()", "b"],
      ["a table by a text", "CREATE TABLE t (x int DEFAULT nextval('public.b'))", "b"],
      ["a table in a comment", "COMMENT ON COLUMN b.x IS 'x'", "b"],
    ] as const) {
      it(`is refused when it names ${what}`, async () => {
        folder.write("0002-late.sql", sql);
        assert.deepEqual(await refusal(), [
          `0002-late comes late, and is not disjoint from 0005-b, which is applied already: both name ${shared}.`,
          "  Give it the next free number.",
        ]);
      });
    }

    it("is refused when its text does not tell what it touches", async () => {
      folder.write("0002-late.sql", "CREATE TABLE late ();\nDO $$ BEGIN EXECUTE 'x'; END $$");
      assert.deepEqual(await refusal(), [
        "0002-late comes late: 0005-b, which comes after it, is applied already.",
        "  What this touches cannot be told from its text:",
        "  migrations/0002-late.sql:2:1",
        "  2 | DO $$ BEGIN EXECUTE 'x'; END $$",
        "    | ^",
        "  Give it the next free number.",
      ]);
    });

    it("is refused when a later one's text does not tell", async () => {
      folder.write("0006-c.sql", "DO $$ BEGIN NULL; END $$");
      await apply();
      folder.write("0002-late.sql", "CREATE TABLE late ()");
      assert.deepEqual(await refusal(), [
        "0002-late comes late, and is not disjoint from 0006-c, which is applied already: what 0006-c.sql touches cannot be told from its text.",
        "  Give it the next free number.",
      ]);
    });
  });

  it("cannot be allowed by a policy that says something else", async () => {
    folder.write("policy.yaml", "# ours\nlateFiles: always\n");
    assert.equal(
      await engine.refusal(),
      [
        "UserError: migrations/policy.yaml is not a policy.",
        'lateFiles: Invalid option: expected one of "refuse"|"disjoint"',
        "migrations/policy.yaml:2:12",
        "2 | lateFiles: always",
        "  |            ^",
        "Next: correct migrations/policy.yaml",
      ].join("\n  "),
    );
  });
});
