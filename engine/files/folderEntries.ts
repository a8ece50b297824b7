import { type Dirent, readdirSync } from "node:fs";
import { UserError } from "../../userError";
import type { FolderMistake } from "./migrationText";

/** What lies in a folder, by name, but for hidden files. */
export function entriesOf(folder: string): Dirent[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.name.startsWith("."))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") {
      const why = {
        ENOENT: "does not exist",
        ENOTDIR: "is not a folder",
        EACCES: "is not readable",
      };
      throw new UserError(
        `The migrations folder ${folder} ${why[code]}.`,
        [],
        "name the folder that holds 0001-....sql",
      );
    }
    throw error;
  }
}

/** @throws UserError with all mistakes of the folder */
export function ensureNoMistake(folder: string, mistakes: readonly FolderMistake[]): void {
  if (mistakes.length === 0) return;
  const count = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`;
  throw new UserError(
    `The migrations in ${folder} have ${count}; nothing was run.`,
    mistakes.flatMap(([problem, ...where]) => [problem, ...where.map((line) => `  ${line}`)]),
    "correct the files named above",
  );
}
