import { strict as assert } from "node:assert";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { prioritise } from "../../local/priority";

describe("a process with a priority", () => {
  let child: ChildProcess;

  beforeEach(() => {
    child = spawn("sleep", ["60"], { detached: true });
  });

  afterEach(() => {
    child.kill("SIGKILL");
  });

  it("lets others go first in its session and with its session, which gets its own back", () => {
    const pid = child.pid ?? assert.fail("it did not start");
    const group = `/proc/${pid}/autogroup`;
    const nicenessOfSession = () =>
      existsSync(group) ? readFileSync(group, "utf8").split(" nice ")[1]?.trim() : "no sessions";
    const before = nicenessOfSession();
    const giveBack = prioritise(pid, 7);
    assert.equal(getPriority(pid), 7);
    assert.equal(nicenessOfSession(), before === "no sessions" ? before : "7");
    giveBack();
    assert.equal(nicenessOfSession(), before);
  });
});
