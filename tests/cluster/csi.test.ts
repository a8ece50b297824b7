import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, run } from "../../local/command";
import { cachePaths, cacheRoot } from "../../local/paths";
import { mountPool, unmountPool } from "../../local/pool";

const { bin } = cachePaths(cacheRoot(process.env));

/** A driver of its own on a pool of its own, in a folder whose name is short enough for sockets. */
async function withDriver(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp("/tmp/csi-");
  const pool = {
    file: path.join(folder, "file"),
    mountPoint: path.join(folder, "pool"),
    bytes: 2 * 1024 ** 3,
  };
  const socket = path.join(folder, "csi.sock");
  try {
    await mountPool(pool);
    const driver = spawn(
      path.join(bin, "csi-btrfs"),
      [`-pool=${pool.mountPoint}`, `-endpoint=${socket}`],
      { stdio: "ignore" },
    );
    try {
      while (!existsSync(socket)) {
        assert.equal(driver.exitCode, null, "the driver ended");
        await sleep(50);
      }
      await use(folder);
    } finally {
      driver.kill("SIGTERM");
      if (driver.exitCode === null) await once(driver, "exit");
    }
  } finally {
    await unmountPool(pool);
    await rm(folder, { recursive: true });
  }
}

/** What csi-sanity says, whether it is content or not. */
async function sanity(folder: string): Promise<string> {
  const args = [
    `-csi.endpoint=${path.join(folder, "csi.sock")}`,
    `-csi.mountdir=${path.join(folder, "target")}`,
    `-csi.stagingdir=${path.join(folder, "staging")}`,
    "-ginkgo.no-color",
  ];
  try {
    return await run(path.join(bin, "csi-sanity"), args);
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
}

describe("the btrfs storage driver", function () {
  this.timeout(180_000);

  it("passes every check of csi-sanity that applies to what it offers", () =>
    withDriver(async (folder) => {
      const report = await sanity(folder);
      const summary = /(\d+) Passed \| (\d+) Failed/.exec(report);
      assert.ok(summary, report);
      assert.equal(Number(summary[2]), 0, report);
      assert.ok(Number(summary[1]) > 50, report);
    }));
});
