import { parseDocument } from "yaml";
import { z } from "zod";
import type { MigrationFile } from "./migration";
import type { FolderMistake } from "./migrationText";
import { excerpt } from "./sourceText";

const column = z.string().min(1);
const expressions = z.record(column, z.string().min(1));

/** The shape of sync.yaml: how old and new columns follow each other while both releases write. */
const syncShape = z
  .strictObject({
    table: z.string().min(1),
    old: z.array(column).min(1),
    new: z.array(column).min(1),
    forward: expressions,
    reverse: expressions,
    rejects: z.enum(["block", "allow-null"]).default("block"),
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
  });

export type Sync = z.infer<typeof syncShape>;

/** Parses a sync.yaml; every mistake with its place. */
export function parseSyncFile(file: MigrationFile): { sync?: Sync; mistakes: FolderMistake[] } {
  const document = parseDocument(file.text, { prettyErrors: false });
  if (document.errors.length > 0) {
    return {
      mistakes: document.errors.map((error) => [error.message, ...excerpt(file, error.pos[0])]),
    };
  }
  const result = syncShape.safeParse(document.toJS());
  if (result.success) return { sync: result.data, mistakes: [] };
  return {
    mistakes: result.error.issues.map((issue) => {
      const node = issue.path.length === 0 ? document.contents : document.getIn(issue.path, true);
      const range = (node as { range?: [number, number, number] } | undefined)?.range;
      const where = range === undefined ? [file.shownPath] : excerpt(file, range[0]);
      return [`${issue.path.map(String).join(".") || "sync.yaml"}: ${issue.message}`, ...where];
    }),
  };
}
