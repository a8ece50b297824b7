import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readFile, readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";

/** The sha256 of a file, read as a stream: some are hundreds of megabytes. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/**
 * One hash over words and over everything in files and folders: names, contents, links and the
 * executable bit, but no times, so that a fresh checkout has the same key.
 */
export async function contentKey(
  words: readonly string[],
  files: readonly string[],
): Promise<string> {
  const hash = createHash("sha256");
  for (const word of words) hash.update(`${word}\0`);
  for (const file of files) await addPath(hash, file, path.basename(file));
  return hash.digest("hex").slice(0, 16);
}

async function addPath(hash: ReturnType<typeof createHash>, file: string, name: string) {
  const facts = await lstat(file);
  if (facts.isDirectory()) {
    for (const entry of (await readdir(file)).sort()) {
      await addPath(hash, path.join(file, entry), `${name}/${entry}`);
    }
  } else if (facts.isSymbolicLink()) {
    hash.update(`${name}\0link\0${await readlink(file)}\0`);
  } else {
    const executable = (facts.mode & 0o100) !== 0 ? "x" : "-";
    hash.update(`${name}\0${executable}\0${facts.size}\0`).update(await readFile(file));
  }
}
