import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import { createStub } from "../../components/dynamic/stub";

async function textOf(kind: "migration" | "schemaBaseline" | "sampleData"): Promise<string> {
  const stub = createStub(kind);
  const { text } = await pulumi.runtime.serializeFunction(() => stub);
  return text;
}

describe("the text that Pulumi stores of a dynamic resource", () => {
  it("holds one call into the build and none of our code", async () => {
    const text = await textOf("migration");
    assert.match(
      text,
      /require\("\.\/dist\/components\/dynamic\/dispatch\.js"\)\.dispatch\(kind, method, args\)/,
    );
    assert.match(text, /kind: "migration"/);
    for (const foreign of ["pg", "kube", "engine", "password", "process.env"]) {
      assert.ok(!text.includes(foreign), `it mentions ${foreign}`);
    }
  });

  it("is smaller than 4 kB for every kind", async () => {
    for (const kind of ["migration", "schemaBaseline", "sampleData"] as const) {
      const bytes = Buffer.byteLength(await textOf(kind));
      assert.ok(bytes < 4096, `${kind} has ${bytes} bytes`);
    }
  });

  it("differs between kinds in the kind's name alone, so that it never moves with our code", async () => {
    const migration = await textOf("migration");
    const sampleData = await textOf("sampleData");
    assert.equal(sampleData.replaceAll('"sampleData"', '"migration"'), migration);
  });
});
