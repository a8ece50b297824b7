import { isScalar, parseDocument } from "yaml";
import { offsetIn, readYaml } from "../../yamlShape";
import { UserError } from "../../userError";
import type { Migration, MigrationFile } from "./migration";
import type { FolderMistake } from "./migrationText";
import { shapes } from "./lateShapes";
import type { ColumnSync, FillSync, LookupSync } from "./shapes";
import { excerpt } from "../sql/sourceText";

export type { ColumnSync, FillSync, LookupSync };

/** What sync.yaml says: how old and new columns follow each other while both releases write. */
export type Sync = ColumnSync | LookupSync | FillSync;

/** The columns that only the old release knows. */
export function oldColumnsOf(sync: Sync): readonly string[] {
  if (sync.kind === "fill") return [];
  return sync.kind === "columns" ? sync.old : [sync.name];
}

/** The columns that the new release brings. */
export function newColumnsOf(sync: Sync): readonly string[] {
  if (sync.kind === "fill") return [sync.new];
  return sync.kind === "columns" ? sync.new : [sync.id];
}

/** An SQL expression of a sync.yaml and where it is written. */
export interface SyncExpression {
  readonly key: string;
  readonly text: string;
  readonly offset: number;
}

/** A migration's sync.yaml and what it says. */
export interface SyncOfMigration {
  readonly file: MigrationFile;
  readonly sync: Sync;
}

/**
 * @returns undefined for a migration without a sync.yaml
 * @throws UserError where it cannot be read, which loading a migrations folder has ruled out
 */
export function syncOf({ files }: Migration): SyncOfMigration | undefined {
  const file = files.find(({ phase }) => phase === "sync");
  if (file === undefined) return undefined;
  const { sync } = parseSyncFile(file);
  if (sync === undefined) throw new UserError(`${file.shownPath} cannot be read.`);
  return { file, sync };
}

/** Parses a sync.yaml; every mistake with its place. */
export function parseSyncFile(file: MigrationFile): { sync?: Sync; mistakes: FolderMistake[] } {
  const { contents, errors } = parseDocument(file.text);
  if (
    errors.length === 0 &&
    (contents === null || (isScalar(contents) && contents.value === null))
  ) {
    const empty = "is empty: write table, old, new, forward and reverse, or a kind with its keys";
    return { mistakes: [[empty, file.shownPath]] };
  }
  const { value, mistakes } = readYaml(file.text, shapes().syncShapeOf);
  return {
    ...(value && { sync: value }),
    mistakes: mistakes.map(({ message, offset }) => [message, ...excerpt(file, offset)]),
  };
}

/** The expressions of a sync.yaml without mistakes; one that is derived has the place of its column. */
export function expressionsIn(file: MigrationFile): SyncExpression[] {
  const { sync } = parseSyncFile(file);
  if (sync?.kind !== "columns") return [];
  const document = parseDocument(file.text);
  return (["forward", "reverse"] as const).flatMap((side) =>
    Object.entries(sync[side]).map(([name, text]) => ({
      key: `${side}.${name}`,
      text,
      offset:
        offsetIn(document, [side, name]) ??
        offsetIn(document, [side === "forward" ? "using" : "back"]) ??
        offsetIn(document, [side === "forward" ? "new" : "old"]) ??
        0,
    })),
  );
}

/** What the indexes of a sync.yaml without mistakes are of. */
export function indexElementsIn(file: MigrationFile): SyncExpression[] {
  const { sync } = parseSyncFile(file);
  const document = parseDocument(file.text);
  return Object.entries(sync?.indexes ?? {}).flatMap(([name, elements]) =>
    elements.map((text, index) => ({
      key: `indexes.${name}.${index}`,
      text,
      offset: offsetIn(document, ["indexes", name, index]) ?? 0,
    })),
  );
}
