import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import path from "node:path";
import { loadBaseline, splitAtBaseline } from "../../engine/baseline";
import { squash } from "../../engine/squash";
import { useEngine } from "../engineScene";
import { failureOf } from "../migrationFolder";
import { createDatabase } from "../postgres";

describe("squashing", () => {
  const { database, folder, load, apply } = useEngine();
  const squashThrough = async (through: string) =>
    squash(await database.connect(), folder.path, await load(), through);

  beforeEach(() => {
    folder.write("0001-a.sql", "CREATE TABLE a ()");
    folder.write("0002-b.sql", "CREATE TABLE b ()");
    folder.write("0003-c/expand.sql", "CREATE TABLE c ()");
  });

  it("makes one unit of what is done, keeps the files, and changes no database", async () => {
    await apply();
    const { digest } = await squashThrough("0002-b");
    assert.equal(
      readFileSync(path.join(folder.path, "baseline.json"), "utf8"),
      `{\n  "through": "0002-b",\n  "digest": "${digest}"\n}\n`,
    );
    const { baseline, later } = splitAtBaseline(await load(), loadBaseline(folder.path));
    assert.deepEqual(
      [baseline, later].map((part) => part.map(({ id }) => id)),
      [["0001-a", "0002-b"], ["0003-c"]],
    );
    assert.deepEqual(
      (await apply()).migrations.map(({ applied }) => applied),
      [false, false, false],
    );
  });

  it("still brings an empty database to the same schema", async () => {
    await apply();
    await squashThrough("0002-b");
    const empty = await createDatabase();
    try {
      const { migrations } = await apply({ connect: empty.connect });
      assert.deepEqual(
        migrations.map(({ applied }) => applied),
        [true, true, true],
      );
    } finally {
      await empty.drop();
    }
  });

  it("refuses what is pending", async () => {
    await apply({ through: "0001-a" });
    assert.equal(
      await failureOf(() => squashThrough("0003-c"), folder),
      [
        "UserError: 2 migrations up to 0003-c cannot be squashed yet.",
        "0002-b is pending",
        "0003-c is pending",
        "Next: npm run migrations -- apply --through 0002-b",
      ].join("\n  "),
    );
    assert.equal(loadBaseline(folder.path), undefined);
  });

  it("refuses what waits for its contract", async () => {
    await apply();
    assert.equal(
      await failureOf(() => squashThrough("0003-c"), folder),
      [
        "UserError: A migration up to 0003-c cannot be squashed yet.",
        "0003-c is verified",
        "Next: npm run migrations -- contract --through 0003-c --old-role <login of the old release>",
      ].join("\n  "),
    );
  });

  it("refuses a unit that is smaller than the one there is", async () => {
    await apply();
    await squashThrough("0002-b");
    assert.equal(
      await failureOf(() => squashThrough("0001-a"), folder),
      [
        "UserError: The baseline reaches through 0002-b already.",
        "A smaller one would declare migrations again that stacks have forgotten.",
        "Next: npm run migrations -- squash --through 0002-b, or a later one",
      ].join("\n  "),
    );
  });

  it("refuses a folder that the database was not migrated with", async () => {
    await apply();
    folder.write("0001-a.sql", "CREATE TABLE a (x int)");
    assert.match(
      await failureOf(() => squashThrough("0002-b"), folder),
      /^UserError: The migrations folder is not the one this database was migrated with/,
    );
  });
});
