import { readFileSync } from "node:fs";
import { UserError } from "../../userError";

/**
 * Synchronous, as all reading of a migrations folder: two hundred small files take 3 ms so, and 60
 * through the thread pool.
 * @throws UserError where the file cannot be read
 */
export function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** @throws UserError where the file cannot be read */
export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

/**
 * The text of a file that may be absent: then undefined.
 * @throws UserError where the file is there and cannot be read
 */
export function readTextIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
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
