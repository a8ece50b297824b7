import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import { dispatch } from "../../components/dynamic/dispatch";
import { IntegrityChecks, readChecks } from "../../components/integrityChecks";
import { failureOf, useFolder } from "../migrationFolder";

const database = {
  context: "nowhere",
  namespace: "bookkeeper-test",
  app: "database",
  port: 5432,
  database: "bookkeeper",
  role: "bookkeeper_owner",
  secret: "database",
  secretKey: "owner-password",
};

describe("IntegrityChecks", () => {
  const folder = useFolder();
  beforeEach(() => {
    folder.write("0001-a/expand.sql", "SELECT 1");
  });

  async function declared(isPreview: boolean) {
    const found: pulumi.runtime.MockResourceArgs[] = [];
    await pulumi.runtime.setMocks(
      {
        newResource: (resource) => {
          found.push(resource);
          return { id: "x", state: resource.inputs as object };
        },
        call: ({ inputs }) => inputs as object,
      },
      "stateful-cd",
      "staging",
      isPreview,
    );
    const checks = readChecks({ folder: folder.path, last: "0001-a" });
    const resource = new IntegrityChecks("integrity", {
      ...checks,
      database,
      control: { ...database, app: "control" },
      schemaVersion: "0001-a",
      cloneId: "c1",
    });
    await new Promise((resolve) => resource.urn.apply(resolve));
    return { resource, found };
  }

  it("declares what is checked, in names and plain values", async () => {
    const { found } = await declared(false);
    const { __provider, ...inputs } = found[0]?.inputs as Record<string, unknown>;
    assert.match(String(__provider), /"integrityChecks"/);
    assert.deepEqual(inputs, {
      folder: folder.path,
      through: "0001-a",
      declarations: readChecks({ folder: folder.path, last: "0001-a" }).declarations,
      database,
      control: { ...database, app: "control" },
      schemaVersion: "0001-a",
      cloneId: "c1",
      deadlineSeconds: 120,
    });
  });

  it("has no version to hand on before it has passed", async () => {
    const { resource } = await declared(true);
    const isKnown = await (resource.verifiedVersion as unknown as { isKnown: Promise<boolean> })
      .isKnown;
    assert.equal(isKnown, false);
  });

  it("is refused in preview already, where integrity.yaml is wrong", async () => {
    folder.write("0001-a/integrity.yaml", "tables: []");
    assert.equal(
      await failureOf(() => readChecks({ folder: folder.path, last: "0001-a" }), folder),
      [
        "UserError: What the migrations in migrations declare of data has mistakes; nothing was checked.",
        "tables: Invalid input: expected record, received array",
        "  migrations/0001-a/integrity.yaml:1:9",
        "  1 | tables: []",
        "    |         ^",
        "Next: correct the files named above",
      ].join("\n  "),
    );
  });

  const olds = { database, folder: "migrations", through: "0001-a", schemaVersion: "0001-a" };
  const outputs = { rows: 1, verifiedVersion: "0001-a", stateVersion: 1 };
  const changes: [what: string, change: Record<string, string>, isChanged: boolean][] = [
    ["nothing has changed", {}, false],
    ["there is another clone", { cloneId: "c2" }, true],
    ["other changes are declared", { declarations: "sha256:1" }, true],
    ["there is another schema", { through: "0002-b" }, true],
  ];
  for (const [what, change, isChanged] of changes) {
    it(`${isChanged ? "runs again" : "stays"} when ${what}`, async () => {
      const news = { ...olds, ...change };
      assert.deepEqual(
        await dispatch("integrityChecks", "diff", ["x", { ...olds, ...outputs }, news]),
        { changes: isChanged, replaces: [] },
      );
    });
  }
});
