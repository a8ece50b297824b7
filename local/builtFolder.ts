import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { readJson, writeAtomically } from "./atomicFile";
import { hashFile } from "./contentKey";

const recordSchema = z.object({
  files: z.array(
    z.object({
      name: z.string(),
      size: z.number(),
      modified: z.number(),
      sha256: z.string(),
    }),
  ),
});
type BuildRecord = z.infer<typeof recordSchema>;

const recordName = "build.json";

/**
 * Whether a folder holds, whole and unchanged, every file that was built into it. Size and time of
 * change are compared first; only a file whose time has moved is read and hashed again.
 */
export async function isIntact(folder: string): Promise<boolean> {
  const parsed = recordSchema.safeParse(await readJson(path.join(folder, recordName)));
  if (!parsed.success) return false;
  for (const file of parsed.data.files) {
    const full = path.join(folder, file.name);
    const facts = await stat(full).catch(() => undefined);
    if (facts?.size !== file.size) return false;
    if (facts.mtimeMs !== file.modified && (await hashFile(full)) !== file.sha256) return false;
  }
  return true;
}

/**
 * Makes a folder's content in one step: `build` fills a draft, which takes the folder's place only
 * when it is whole, written to disk and recorded. A killed build leaves a draft that the next one removes.
 */
export async function buildFolder(
  folder: string,
  names: readonly string[],
  build: (draft: string) => Promise<void>,
): Promise<void> {
  const draft = `${folder}.draft`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  await build(draft);
  const record: BuildRecord = { files: [] };
  for (const name of names) {
    const full = path.join(draft, name);
    await syncToDisk(full);
    const { size, mtimeMs } = await stat(full);
    record.files.push({ name, size, modified: mtimeMs, sha256: await hashFile(full) });
  }
  await writeAtomically(path.join(draft, recordName), JSON.stringify(record, undefined, 2));
  await rm(folder, { recursive: true, force: true });
  await rename(draft, folder);
}

async function syncToDisk(file: string): Promise<void> {
  const handle = await open(file, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
