import * as z from "zod";
import { readYaml, type YamlReading } from "../yamlShape";

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

/** Parses an integrity.yaml. */
export function parseDeclaredChanges(text: string): YamlReading<DeclaredChanges> {
  return readYaml(text, () => changesShape);
}
