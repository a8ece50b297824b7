import { isScalar, parseDocument } from "yaml";
import * as z from "zod";
import { offsetIn, readYaml } from "../../yamlShape";
import { UserError } from "../../userError";
import type { Migration, MigrationFile } from "./migration";
import type { FolderMistake } from "./migrationText";
import { renameShape, type SameValue, typeShape } from "./sameValueSync";
import { column, filling, table } from "./syncShape";
import { excerpt } from "../sql/sourceText";

const expressions = z.record(column, z.string().min(1));

/** kind columns: old and new columns of one row, each computed from the other side. */
const columnShape = z
  .strictObject({
    kind: z
      .enum(["columns", "rename", "type", "lookup", "fill"])
      .default("columns")
      .transform(() => "columns" as const),
    table,
    old: z.array(column).min(1),
    new: z.array(column).min(1),
    forward: expressions,
    reverse: expressions,
    ...filling,
  })
  .superRefine((sync, context) => {
    const compare = (key: "forward" | "reverse", columns: string[]): void => {
      const missing = columns.filter((name) => !(name in sync[key]));
      const unknown = Object.keys(sync[key]).filter((name) => !columns.includes(name));
      for (const name of missing) {
        context.addIssue({ code: "custom", path: [key], message: `has no expression for ${name}` });
      }
      for (const name of unknown) {
        context.addIssue({ code: "custom", path: [key, name], message: "is not a column listed" });
      }
    };
    compare("forward", sync.new);
    compare("reverse", sync.old);
    const names = [...sync.old, ...sync.new];
    names.forEach((name, index) => {
      if (names.indexOf(name) === index) return;
      const at = index - sync.old.length;
      const path = at < 0 ? ["old", index] : ["new", at];
      context.addIssue({ code: "custom", path, message: `${name} is listed already` });
    });
  });

/** kind lookup: a row names a row of another table (old) and refers to it by id (new). */
const lookupShape = z
  .strictObject({
    kind: z.literal("lookup"),
    table,
    name: column,
    id: column,
    references: z.strictObject({ table, id: column, name: column }),
    ...filling,
  })
  .refine(({ name, id }) => name !== id, { path: ["id"], error: "is the name's column too" });

/** kind fill: a new column whose default is another value for every row. */
const fillShape = z
  .strictObject({
    kind: z.literal("fill"),
    table,
    new: column,
    workers: filling.workers,
    pace: filling.pace,
    touches: filling.touches,
    indexes: filling.indexes,
  })
  .transform((sync) => ({ ...sync, rejects: "block" as const }));

export type ColumnSync = z.output<typeof columnShape> & {
  /** Where the kind is rename or type. */
  readonly same?: SameValue;
};
export type LookupSync = z.output<typeof lookupShape>;
export type FillSync = z.output<typeof fillShape>;

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
  const { value, mistakes } = readYaml(file.text, shapeOf);
  return {
    ...(value && { sync: value }),
    mistakes: mistakes.map(({ message, offset }) => [message, ...excerpt(file, offset)]),
  };
}

function shapeOf(content: unknown): z.ZodType<Sync> {
  const kind = typeof content === "object" && content !== null && "kind" in content && content.kind;
  if (kind === "lookup") return lookupShape;
  if (kind === "rename") return renameShape;
  if (kind === "type") return typeShape;
  return kind === "fill" ? fillShape : columnShape;
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
