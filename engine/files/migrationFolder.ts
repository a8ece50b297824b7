import type { Dirent } from "node:fs";
import path from "node:path";
import { UserError } from "../../userError";
import { digestOfFiles } from "./digest";
import { ensureNoMistake, entriesOf } from "./folderEntries";
import type { Migration, MigrationFile, Phase } from "./migration";
import { compareNumbers, parseMigrationName } from "./migrationName";
import { type FolderMistake, readMigrationFile } from "./migrationText";
import { checkStatements } from "./migrationStatements";
import { policyFile, readPolicy } from "./policy";
import { repeatableFolder } from "./repeatableFolder";
import { parseSyncFile } from "./syncFile";

const phasedFiles: Readonly<Record<string, Phase>> = {
  "expand.sql": "expand",
  "sync.yaml": "sync",
  "contract.sql": "contract",
  "abort.sql": "abort",
  "undo.sql": "undo",
};
/** What it declares of data is compared elsewhere; no run reads it, so no checksum covers it. */
export const integrityFile = "integrity.yaml";
const phaseOrder: readonly Phase[] = ["expand", "sync", "check", "contract", "abort", "undo"];

/** What may lie beside the migrations without being one. */
const companions = new Set(["baseline.json", policyFile, repeatableFolder, "README.md"]);
const laterCompanions = new Set(["source.yaml"]);

const nameRule =
  "Allowed: <number>-<name>.sql or a folder <number>-<name>/, like 0001-bookkeeper.sql; letters, digits, '-', '_' and '.'.";

/**
 * Reads and checks a whole migrations folder, in order of the numbers. Everything that can be
 * known without a database is checked: names, bytes, SQL syntax, sync.yaml.
 * @param folder absolute, or relative to the working directory; messages repeat it as given
 * @throws UserError with all mistakes of the folder
 */
export async function loadMigrations(folder: string): Promise<Migration[]> {
  const { migrations, mistakes } = scanFolder(folder);
  mistakes.push(...(await checkStatements(migrations)));
  ensureNoMistake(folder, mistakes);
  return migrations;
}

/**
 * The same without the parser: names and bytes only, so that a run with nothing to do stays quick.
 * planMigrations and applyMigrations parse what is pending before they do anything.
 */
export function readMigrations(folder: string): Migration[] {
  const { migrations, mistakes } = scanFolder(folder);
  ensureNoMistake(folder, mistakes);
  return migrations;
}

/**
 * The migrations up to and including `id`: what a release that names `id` as its last one needs.
 * @throws UserError when there is no such migration
 */
export function throughMigration(migrations: readonly Migration[], id: string): Migration[] {
  const last = migrations.findIndex((migration) => migration.id === id);
  if (last !== -1) return migrations.slice(0, last + 1);
  const known = migrations.map((migration) => migration.id);
  throw new UserError(
    `There is no migration "${id}".`,
    [known.length === 0 ? "The folder holds none." : `The folder holds: ${known.join(", ")}.`],
    "name one of these, or add the file",
  );
}

interface Found {
  migrations: Migration[];
  mistakes: FolderMistake[];
}

function scanFolder(folder: string): Found {
  const found: Found = { migrations: [], mistakes: [] };
  const entries = entriesOf(folder);
  const mayBeLate = readPolicy(folder).lateFiles === "disjoint";
  for (const entry of entries) {
    const migration = readEntry(folder, entry, found.mistakes);
    if (migration !== undefined) found.migrations.push({ ...migration, mayBeLate });
  }
  found.migrations.sort((a, b) => compareNumbers(a.number, b.number) || (a.id < b.id ? -1 : 1));
  found.migrations.forEach((migration, index) => {
    const previous = found.migrations[index - 1];
    if (previous?.number !== migration.number) return;
    found.mistakes.push([
      `${previous.id} and ${migration.id} have the same number ${migration.number}.`,
      "Give the newer one the next free number.",
    ]);
  });
  return found;
}

function readEntry(
  folder: string,
  entry: Dirent,
  mistakes: FolderMistake[],
): Omit<Migration, "mayBeLate"> | undefined {
  const shown = path.join(folder, entry.name);
  if (companions.has(entry.name)) return undefined;
  if (laterCompanions.has(entry.name)) {
    mistakes.push([`${shown} is not supported yet.`, "Move it out of the migrations folder."]);
    return undefined;
  }
  if (entry.isSymbolicLink()) {
    mistakes.push([
      `${shown} is a symbolic link.`,
      "Put the file itself there: its bytes are hashed.",
    ]);
    return undefined;
  }
  const isFolder = entry.isDirectory();
  const id = isFolder ? entry.name : entry.name.replace(/\.sql$/, "");
  const name = parseMigrationName(id);
  if (name === undefined || (!isFolder && !(entry.isFile() && entry.name.endsWith(".sql")))) {
    mistakes.push([`${JSON.stringify(shown)} is not the name of a migration.`, nameRule]);
    return undefined;
  }
  const files = isFolder
    ? readPhased(folder, id, mistakes)
    : readAll([{ shownPath: shown, path: entry.name, phase: "expand" }], mistakes);
  if (files.length === 0) return undefined;
  return { ...name, kind: isFolder ? "phased" : "plain", files, digest: digestOfFiles(files) };
}

type FileToRead = Pick<MigrationFile, "shownPath" | "path" | "phase">;

function fileIn(folder: string, relative: string, phase: Phase): FileToRead {
  return { shownPath: path.join(folder, relative), path: relative, phase };
}

function readPhased(folder: string, id: string, mistakes: FolderMistake[]): MigrationFile[] {
  const shown = path.join(folder, id);
  const toRead: FileToRead[] = [];
  for (const entry of entriesOf(shown)) {
    const phase = phasedFiles[entry.name];
    if (phase !== undefined && entry.isFile()) {
      toRead.push(fileIn(folder, `${id}/${entry.name}`, phase));
    } else if (entry.name === "checks" && entry.isDirectory()) {
      toRead.push(...checksIn(folder, id, mistakes));
    } else if (entry.name !== integrityFile || !entry.isFile()) {
      mistakes.push([
        `${JSON.stringify(path.join(shown, entry.name))} is not part of a phased migration.`,
        `Allowed: ${Object.keys(phasedFiles).join(", ")}, ${integrityFile} and checks/*.sql, as ordinary files.`,
      ]);
    }
  }
  if (!toRead.some((file) => file.phase === "expand")) {
    mistakes.push([`${shown} has no expand.sql.`, "A phased migration starts with expand.sql."]);
  }
  toRead.sort((a, b) => phaseOrder.indexOf(a.phase) - phaseOrder.indexOf(b.phase));
  const files = readAll(toRead, mistakes);
  for (const file of files) {
    if (file.phase === "sync") mistakes.push(...parseSyncFile(file).mistakes);
  }
  return files;
}

function checksIn(folder: string, id: string, mistakes: FolderMistake[]): FileToRead[] {
  const entries = entriesOf(path.join(folder, id, "checks"));
  return entries.flatMap((entry) => {
    const relative = `${id}/checks/${entry.name}`;
    if (entry.isFile() && /^[A-Za-z0-9][A-Za-z0-9_.-]*\.sql$/.test(entry.name)) {
      return [fileIn(folder, relative, "check")];
    }
    mistakes.push([
      `${JSON.stringify(path.join(folder, relative))} is not the name of a check.`,
      "Allowed: <name>.sql, an ordinary file with one query that must return no row.",
    ]);
    return [];
  });
}

function readAll(files: FileToRead[], mistakes: FolderMistake[]): MigrationFile[] {
  return files
    .map((file) => readMigrationFile(file, mistakes))
    .filter((file) => file !== undefined);
}
