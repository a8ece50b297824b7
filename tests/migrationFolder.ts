import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A migrations folder that lives for one test. */
export interface TestFolder {
  /** Its path, which messages repeat. */
  readonly path: string;
  /** Writes a file below it, folders included. */
  write(name: string, content: string | Buffer): void;
  remove(name: string): void;
}

/** Hooks that give every test of the enclosing `describe` an empty folder. */
export function useFolder(): TestFolder {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "migrations-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get path() {
      return folder;
    },
    write(name, content) {
      const file = path.join(folder, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
    },
    remove(name) {
      rmSync(path.join(folder, name), { recursive: true });
    },
  };
}

/**
 * The message an action fails with; the folder's path becomes `migrations`, so that whole messages
 * can be compared.
 */
export async function failureOf(action: () => unknown, folder?: TestFolder): Promise<string> {
  try {
    await action();
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return folder === undefined ? message : message.replaceAll(folder.path, "migrations");
  }
  throw new Error("the action was expected to fail");
}

/** The lines about the one mistake that keeps a folder from being loaded. */
export async function mistakeOf(load: () => unknown, folder: TestFolder): Promise<string[]> {
  const lines = (await failureOf(load, folder)).split("\n  ");
  assert.equal(
    lines[0],
    "UserError: The migrations in migrations have a mistake; nothing was run.",
  );
  assert.equal(lines.at(-1), "Next: correct the files named above");
  return lines.slice(1, -1);
}
