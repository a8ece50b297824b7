import { strict as assert } from "node:assert";
import { passwordIn } from "../../components/credentials";

describe("a password", () => {
  it("that its Secret does not have is an error that names both, never an empty one", () => {
    const data = { "owner-password": Buffer.from("secret").toString("base64"), empty: "" };
    assert.equal(passwordIn("database", data, "owner-password"), "secret");
    for (const key of ["other", "empty"]) {
      assert.throws(() => passwordIn("database", data, key), {
        message: `The Secret database has no password under "${key}".\n  It has: owner-password, empty.\n  Next: put one there with kubectl edit secret database in the stack's namespace, then pulumi up --refresh`,
      });
    }
  });
});
