import { lstatSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../userError";
import { digestOfFiles } from "./digest";
import { ensureNoMistake, entriesOf } from "./folderEntries";
import { checkFiles } from "./migrationStatements";
import { type FolderMistake, readMigrationFile } from "./migrationText";
import type { Repeatable } from "./repeatable";
import { orderRepeatables } from "./repeatableOrder";

export const repeatableFolder = "repeatable";

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]*\.sql$/;

/**
 * Reads repeatable/ of a migrations folder, by name; none where there is no such folder. Names and
 * bytes only, so that a run with nothing to do stays quick.
 * @throws UserError with all mistakes of the folder
 */
export function readRepeatables(folder: string): Repeatable[] {
  const shown = path.join(folder, repeatableFolder);
  if (!isFolder(shown)) return [];
  const mistakes: FolderMistake[] = [];
  const files: Repeatable[] = [];
  for (const entry of entriesOf(shown)) {
    const shownPath = path.join(shown, entry.name);
    if (!entry.isFile() || !namePattern.test(entry.name) || entry.name.length > 200) {
      mistakes.push([
        `${JSON.stringify(shownPath)} is not the name of a repeatable file.`,
        "Allowed: <name>.sql, an ordinary file; letters, digits, '-', '_' and '.'.",
      ]);
      continue;
    }
    const relative = `${repeatableFolder}/${entry.name}`;
    const phase = "repeatable";
    const file = { shownPath, path: relative, phase } as const;
    const read = readMigrationFile(file, mistakes);
    if (read !== undefined) files.push({ ...read, phase });
  }
  ensureNoMistake(folder, mistakes);
  return files;
}

/**
 * The same, with everything checked that can be known without a database.
 * @throws UserError with all mistakes of the folder, or the first circle
 */
export async function loadRepeatables(folder: string): Promise<Repeatable[]> {
  const files = readRepeatables(folder);
  ensureNoMistake(folder, await checkFiles(files));
  await orderRepeatables(files);
  return files;
}

/** What changes when any file, or the name of one, does; undefined without files. */
export function digestOfRepeatables(files: readonly Repeatable[]): string | undefined {
  return files.length === 0 ? undefined : digestOfFiles(files);
}

function isFolder(shown: string): boolean {
  try {
    if (lstatSync(shown).isDirectory()) return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  throw new UserError(
    `${shown} is not a folder.`,
    ["It holds views and functions, a file each: repeatable/<name>.sql."],
    "make it a folder, or give it another name",
  );
}
