import { strict as assert } from "node:assert";
import { loadBaseline, splitAtBaseline } from "../../engine/baseline";
import { chainDigest } from "../../engine/files/digest";
import { loadMigrations } from "../../engine/files/migrationFolder";
import { failureOf, useFolder } from "../migrationFolder";

describe("a baseline", () => {
  const folder = useFolder();
  const load = () => loadMigrations(folder.path);
  beforeEach(() => {
    for (const name of ["0001-a", "0002-b", "0003-c"]) folder.write(`${name}.sql`, "SELECT 1");
  });

  it("is absent by default, and then every migration stands for itself", async () => {
    assert.equal(loadBaseline(folder.path), undefined);
    const { baseline, later } = splitAtBaseline(await load(), undefined);
    assert.deepEqual([baseline.length, later.length], [0, 3]);
  });

  it("joins everything up to the migration it names", async () => {
    const digest = chainDigest((await load()).slice(0, 2));
    folder.write("baseline.json", JSON.stringify({ through: "0002-b", digest }));
    const { baseline, later } = splitAtBaseline(await load(), loadBaseline(folder.path));
    assert.deepEqual(
      baseline.map(({ id }) => id),
      ["0001-a", "0002-b"],
    );
    assert.deepEqual(
      later.map(({ id }) => id),
      ["0003-c"],
    );
  });

  it("is refused when its migrations have changed, with both digests", async () => {
    const before = await load();
    const digest = chainDigest(before.slice(0, 2));
    folder.write("0001-a.sql", "SELECT 2");
    const now = await load();
    assert.throws(() => splitAtBaseline(now, { through: "0002-b", digest }), {
      message: [
        "The migrations up to 0002-b are not those of baseline.json.",
        `baseline.json says ${digest}`,
        `the files give ${chainDigest(now.slice(0, 2))}`,
        "Next: restore the files: git log --stat -- migrations",
      ].join("\n  "),
    });
  });

  it("is refused when the file is not what it should be", async () => {
    folder.write("baseline.json", '{"through": "0002-b", "digest": "sha256:abc"}');
    const message = await failureOf(() => loadBaseline(folder.path), folder);
    assert.match(
      message,
      /^UserError: migrations\/baseline\.json is not a baseline\.\n {2}digest: /,
    );
    folder.write("baseline.json", '{"through": ');
    assert.match(
      await failureOf(() => loadBaseline(folder.path), folder),
      /Unexpected end of JSON input/,
    );
  });

  it("has a chain digest that tells order, names and texts", async () => {
    const [a, b] = await load();
    assert.ok(a !== undefined && b !== undefined);
    const digests = [[a, b], [b, a], [a], [{ ...a, id: "0001-x" }, b], []].map(chainDigest);
    assert.equal(new Set(digests).size, 5);
  });
});
