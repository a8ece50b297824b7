import path from "node:path";
import { type DeclaredChanges, parseDeclaredChanges } from "../../data/declaredChanges";
import { type Digest, digestOf, digestOfFiles, normaliseLineEnds } from "../../engine/files/digest";
import type { Migration } from "../../engine/files/migration";
import {
  integrityFile,
  readMigrations,
  throughMigration,
} from "../../engine/files/migrationFolder";
import { readTextIfThere } from "../../engine/files/readText";
import { excerpt } from "../../engine/sql/sourceText";
import { UserError } from "../../userError";

/** The integrity.yaml of one migration. */
export interface Declaration {
  readonly migration: string;
  readonly changes: DeclaredChanges;
}

export interface Declarations {
  readonly migrations: readonly Migration[];
  /** In the order of the migrations. */
  readonly declared: readonly Declaration[];
  /** Of the files: it changes when one of them does. */
  readonly digest: Digest;
}

/**
 * Reads what the migrations up to `through` declare to change in the data.
 * @throws UserError with every mistake and its place
 */
export function readDeclarations(folder: string, through: string): Declarations {
  const migrations = throughMigration(readMigrations(folder), through);
  const declared: Declaration[] = [];
  const files: { path: string; digest: Digest }[] = [];
  const mistakes: string[] = [];
  for (const { id } of migrations.filter(({ kind }) => kind === "phased")) {
    const shownPath = path.join(folder, id, integrityFile);
    const found = readTextIfThere(shownPath);
    if (found === undefined) continue;
    const text = normaliseLineEnds(found);
    const parsed = parseDeclaredChanges(text);
    for (const { message, offset } of parsed.mistakes) {
      const where = excerpt({ shownPath, text }, offset);
      mistakes.push(message, ...where.map((line) => `  ${line}`));
    }
    if (parsed.value) declared.push({ migration: id, changes: parsed.value });
    files.push({ path: `${id}/${integrityFile}`, digest: digestOf(text) });
  }
  if (mistakes.length === 0) return { migrations, declared, digest: digestOfFiles(files) };
  throw new UserError(
    `What the migrations in ${folder} declare of data has mistakes; nothing was checked.`,
    mistakes,
    "correct the files named above",
  );
}
