import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createStack, forgetStack, pulumi, temporaryStack } from "../../local/pulumiStack";
import { paths } from "../testStack";

describe("a stack that is forgotten", function () {
  this.timeout(60_000);

  const stack = temporaryStack(paths, "forgotten");
  const known = async (): Promise<string> => (await pulumi(stack, ["stack", "ls"])).output;

  beforeEach(() => createStack(stack, "dev"));

  afterEach(() => rm(stack.folder, { recursive: true, force: true }));

  it("is no longer known, and its configuration is gone", async () => {
    assert.match(await known(), /forgotten/);
    await forgetStack(stack);
    assert.equal(existsSync(stack.folder), false);
  });

  it("may have lost its state already", async () => {
    const backend = fileURLToPath(stack.environment.PULUMI_BACKEND_URL ?? "");
    await rm(`${backend}/.pulumi`, { recursive: true });
    assert.doesNotMatch(await known(), /forgotten/);
    await forgetStack(stack);
    assert.equal(existsSync(stack.folder), false);
  });
});
