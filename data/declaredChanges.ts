import { parseDocument } from "yaml";
import { z } from "zod";

const name = z.string().min(1);
const predicate = z.string().trim().min(1);

const tableShape = z.strictObject({
  renamed: z.record(name, name).default({}),
  changed: z.record(name, z.union([z.literal(true), predicate])).default({}),
  dropped: z.array(name).default([]),
  removed: predicate.optional(),
  added: predicate.optional(),
});

/**
 * The shape of integrity.yaml: what a migration does to data that was there before it. Everything
 * it does not name must stay as it was.
 */
const changesShape = z.strictObject({
  renamed: z.record(name, name).default({}),
  dropped: z.array(name).default([]),
  tables: z.record(name, tableShape).default({}),
});

/** What one migration declares about a table that stays. */
export type TableChanges = z.infer<typeof tableShape>;

/** What one migration declares. Tables are named as SQL names them, `public.` may be left out. */
export type DeclaredChanges = z.infer<typeof changesShape>;

/** A mistake and where in the text it is, as an offset in UTF-16 units. */
export interface DeclarationMistake {
  readonly message: string;
  readonly offset: number;
}

/** Parses an integrity.yaml; every mistake with its place. */
export function parseDeclaredChanges(text: string): {
  changes?: DeclaredChanges;
  mistakes: DeclarationMistake[];
} {
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0) {
    const { errors } = document;
    return { mistakes: errors.map(({ message, pos }) => ({ message, offset: pos[0] })) };
  }
  const result = changesShape.safeParse(document.toJS());
  if (result.success) return { changes: result.data, mistakes: [] };
  return {
    mistakes: result.error.issues.map((issue) => {
      const node = issue.path.length === 0 ? document.contents : document.getIn(issue.path, true);
      const range = (node as { range?: [number, number, number] } | undefined)?.range;
      const where = issue.path.map(String).join(".") || "integrity.yaml";
      return { message: `${where}: ${issue.message}`, offset: range?.[0] ?? 0 };
    }),
  };
}
