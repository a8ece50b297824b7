import { readFile } from "node:fs/promises";
import { UserError } from "../../userError";

/** @throws UserError where the file cannot be read */
export async function readBytes(fullPath: string, shownPath: string): Promise<Buffer> {
  try {
    return await readFile(fullPath);
  } catch (error) {
    throw unreadable(shownPath, error);
  }
}

/**
 * The text of a file that may be absent: then undefined.
 * @throws UserError where the file is there and cannot be read
 */
export async function readTextIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unreadable(file, error);
  }
}

/** What is wrong with a file that is there and cannot be read. */
export function unreadable(shownPath: string, error: unknown): UserError {
  return new UserError(
    `${shownPath} cannot be read.`,
    [(error as Error).message],
    "make it a file that you may read, or remove it",
  );
}
