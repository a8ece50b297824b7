import { randomBytes } from "node:crypto";
import { link, mkdir, rm, writeFile } from "node:fs/promises";
import { readIfPresent } from "./atomicFile";
import { type CachePaths } from "./paths";

/** Pulumi's folders and the passphrase of its state: made once, never replaced. */
export async function preparePulumi(paths: CachePaths): Promise<void> {
  await mkdir(paths.pulumiHome, { recursive: true });
  await mkdir(paths.pulumiState, { recursive: true, mode: 0o700 });
  if ((await readIfPresent(paths.passphrase)) !== undefined) return;
  // Written beside and linked into place: never half, and never over one that encrypts state already.
  const draft = `${paths.passphrase}.${process.pid}.draft`;
  await writeFile(draft, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600 });
  await link(draft, paths.passphrase);
  await rm(draft);
}
