import { mkdir, open, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../userError";
import { CommandError, run, succeeds } from "./command";

/** Size of the sparse file behind the pool: disk is used only as volumes fill. */
export const poolBytes = 20 * 1024 ** 3;

/** A btrfs in a file, mounted through a loop device. */
export interface Pool {
  readonly file: string;
  readonly mountPoint: string;
  readonly bytes: number;
}

/** Mounts the pool, making its file and file system where there is none. Repeating it is harmless. */
export async function mountPool(pool: Pool): Promise<void> {
  await mkdir(pool.mountPoint, { recursive: true, mode: 0o700 });
  if (await isMountPoint(pool.mountPoint)) return;
  await ensureFileSystem(pool);
  const device = await attachLoop(pool.file);
  // discard=async gives deleted volumes' blocks back to the file; noatime keeps reads from writing.
  await run("mount", ["-t", "btrfs", "-o", "noatime,discard=async", device, pool.mountPoint]);
}

/** Unmounts the pool and frees its loop device; the data stays in the file. Absence is fine. */
export async function unmountPool(pool: Pool): Promise<void> {
  if (await isMountPoint(pool.mountPoint)) await run("umount", [pool.mountPoint]);
  for (const device of await loopDevices(pool.file)) await run("losetup", ["--detach", device]);
}

async function isMountPoint(folder: string): Promise<boolean> {
  return succeeds("mountpoint", ["-q", folder]);
}

/** The file gets its name only once it carries a file system, so a name means a finished one. */
async function ensureFileSystem(pool: Pool): Promise<void> {
  const present = await stat(pool.file).catch(() => undefined);
  if (present !== undefined) {
    if (await succeeds("btrfs", ["inspect-internal", "dump-super", pool.file])) return;
    throw new UserError(
      `The volumes' pool ${pool.file} is damaged: it holds no btrfs.`,
      [`size: ${present.size} bytes`],
      "make clean, which gives all volumes up, then: make up",
    );
  }
  await mkdir(dirname(pool.file), { recursive: true });
  const draft = `${pool.file}.draft`;
  await rm(draft, { force: true });
  const handle = await open(draft, "w", 0o600);
  try {
    await handle.truncate(pool.bytes);
  } finally {
    await handle.close();
  }
  await run("mkfs.btrfs", ["--quiet", "-m", "single", "-d", "single", draft]);
  await run("mv", ["--no-clobber", draft, pool.file]);
}

async function loopDevices(file: string): Promise<string[]> {
  const listed = await run("losetup", ["--associated", file, "--noheadings", "--output", "NAME"]);
  return listed.split("\n").filter((line) => line !== "");
}

/** Direct I/O keeps every page from being cached twice; some file systems under the file refuse it. */
async function attachLoop(file: string): Promise<string> {
  const [attached] = await loopDevices(file);
  if (attached !== undefined) return attached;
  try {
    return (await run("losetup", ["--find", "--show", "--direct-io=on", file])).trim();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const [half] = await loopDevices(file);
    return half ?? (await run("losetup", ["--find", "--show", file])).trim();
  }
}
