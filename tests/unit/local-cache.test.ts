import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { buildFolder, isIntact } from "../../local/builtFolder";
import { contentKey } from "../../local/contentKey";
import { withLock } from "../../local/lock";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "stateful-cd-test-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("a content key", () => {
  it("moves with names, contents and words, and not with times", () =>
    withFolder(async (folder) => {
      const file = path.join(folder, "a");
      await writeFile(file, "1");
      const key = await contentKey(["go1.26"], [folder]);
      await utimes(file, 1, 1);
      assert.equal(await contentKey(["go1.26"], [folder]), key);
      assert.notEqual(await contentKey(["go1.27"], [folder]), key);
      await writeFile(file, "2");
      assert.notEqual(await contentKey(["go1.26"], [folder]), key);
    }));
});

describe("a built folder", () => {
  const build = (folder: string) =>
    buildFolder(folder, ["program"], (draft) => writeFile(path.join(draft, "program"), "whole"));

  it("is intact when whole, and not when a file is cut, deleted or altered", () =>
    withFolder(async (parent) => {
      const folder = path.join(parent, "built");
      const program = path.join(folder, "program");
      assert.equal(await isIntact(folder), false);
      await build(folder);
      assert.equal(await isIntact(folder), true);
      await truncate(program, 2);
      assert.equal(await isIntact(folder), false);
      await build(folder);
      await writeFile(program, "WHOLE");
      assert.equal(await isIntact(folder), false);
      await build(folder);
      await rm(program);
      assert.equal(await isIntact(folder), false);
    }));

  it("is intact when only its time has moved", () =>
    withFolder(async (parent) => {
      const folder = path.join(parent, "built");
      await build(folder);
      await utimes(path.join(folder, "program"), 1, 1);
      assert.equal(await isIntact(folder), true);
    }));

  it("keeps the old content when a build fails, and leaves no trace of the half", () =>
    withFolder(async (parent) => {
      const folder = path.join(parent, "built");
      await build(folder);
      const failing = buildFolder(folder, ["program"], async (draft) => {
        await writeFile(path.join(draft, "program"), "half");
        throw new Error("the compiler was killed");
      });
      await assert.rejects(failing, { message: "the compiler was killed" });
      assert.equal(await readFile(path.join(folder, "program"), "utf8"), "whole");
      await build(folder);
      assert.deepEqual(await readdir(parent), ["built"]);
    }));
});

describe("the lock", () => {
  const noWait = () => assert.fail("nobody holds it");

  it("lets one in after the other, and tells the second who is first", async () => {
    const name = `test ${process.pid}`;
    const seen: string[] = [];
    const first = withLock(name, "make up (pid 1)", noWait, async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      seen.push("first");
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const onWait = (holder: string) => seen.push(`waiting for ${holder}`);
    await withLock(name, "make down", onWait, () => Promise.resolve(seen.push("second")));
    await first;
    assert.deepEqual(seen, ["waiting for make up (pid 1)", "first", "second"]);
  });

  it("falls when its holder is killed", async () => {
    const name = `killed ${process.pid}`;
    const source = `require(${JSON.stringify(require.resolve("../../local/lock"))})
      .withLock(${JSON.stringify(name)}, "it", () => {}, () => new Promise(() => {
        console.log("held"); setInterval(() => {}, 1000); }))`;
    const holder = spawn(process.execPath, ["-e", source], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    holder.kill("SIGKILL");
    await once(holder, "exit");
    await withLock(name, "me", noWait, () => Promise.resolve());
  });
});
