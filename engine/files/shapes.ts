import * as z from "zod";
import { renameShape, type SameValue, typeShape } from "./sameValueSync";
import { column, filling, table } from "./syncShape";

/** policy.yaml. */
export const policyShape = z.preprocess(
  // An empty file is as good as none.
  (content) => content ?? {},
  z.strictObject({
    /**
     * A migration whose number is below one that is applied already: refused, or applied where its
     * objects are disjoint from those of all that were applied after it.
     */
    lateFiles: z.enum(["refuse", "disjoint"]).optional(),
  }),
);

/** baseline.json. */
export const baselineShape = z.strictObject({
  through: z.string().min(1),
  digest: z.templateLiteral(["sha256:", z.string().regex(/^[0-9a-f]{64}$/)]),
});

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

/** The shape of a sync.yaml: its key `kind` chooses. */
export function syncShapeOf(content: unknown): z.ZodType<ColumnSync | LookupSync | FillSync> {
  const kind = typeof content === "object" && content !== null && "kind" in content && content.kind;
  if (kind === "lookup") return lookupShape;
  if (kind === "rename") return renameShape;
  if (kind === "type") return typeShape;
  return kind === "fill" ? fillShape : columnShape;
}
