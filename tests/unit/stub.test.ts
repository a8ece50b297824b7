import { strict as assert } from "node:assert";
import { stubOf } from "../../components/dynamic/stub";

describe("the text that Pulumi stores of a dynamic resource", () => {
  it("holds one call into the build and none of our code", () => {
    assert.equal(
      stubOf("migration"),
      `exports.handler = () => {
  const call = (method) => (...args) =>
    require("./dist/components/dynamic/dispatch.js").dispatch("migration", method, args);
  const methods = ["check", "diff", "create", "update", "read", "delete"];
  return Object.fromEntries(methods.map((method) => [method, call(method)]));
};
`,
    );
  });

  it("differs between kinds in the kind's name alone, so that it never moves with our code", () => {
    assert.equal(stubOf("sampleData").replace('"sampleData"', '"migration"'), stubOf("migration"));
  });
});
