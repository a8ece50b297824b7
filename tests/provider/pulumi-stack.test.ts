import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
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

describe("a CLI that lets others go first", function () {
  this.timeout(60_000);

  const stack = temporaryStack(paths, "nice");

  beforeEach(() => createStack(stack, "dev"));

  afterEach(() => rm(stack.folder, { recursive: true, force: true }));

  it("ends when whoever has started it is told to end, with all that it has started", async () => {
    const program = `
      const { pulumi } = require(${JSON.stringify(require.resolve("../../local/pulumiStack"))});
      const onStart = (group) => console.log(group);
      pulumi(${JSON.stringify(stack)}, ["preview"], { niceness: 1, onStart })
        .then(({ status }) => process.exit(status === 0 ? 0 : 3));`;
    const starter = spawn(process.execPath, ["-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface({ input: starter.stdout }), "line")) as [string];
    const group = Number(line);
    assert.ok(process.kill(-group, 0));
    starter.kill("SIGTERM");
    const [status] = (await once(starter, "exit")) as [number];
    assert.equal(status, 3);
    assert.throws(() => process.kill(-group, 0), { code: "ESRCH" });
  });
});
