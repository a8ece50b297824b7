import * as z from "zod";
import { column, filling, isAnotherColumn, table } from "./syncShape";

/** One value under another name, or of another type: kinds of which expressions are derived. */
export interface SameValue {
  readonly kind: "rename" | "type";
  readonly old: string;
  readonly new: string;
  /** The new type as written; of a rename the old one. */
  readonly type?: string;
  /** Whether the author has written `back`; else it is a cast to the old column's type. */
  readonly hasBack: boolean;
  readonly hasUsing: boolean;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** kind rename: the same value and type under another name. */
export const renameShape = z
  .strictObject({ kind: z.literal("rename"), table, old: column, new: column, ...filling })
  .refine(...isAnotherColumn)
  .transform(({ old, new: fresh, ...rest }) =>
    columnsOf(
      rest,
      { kind: "rename", old, new: fresh, hasBack: true, hasUsing: false },
      quoted(old),
      quoted(fresh),
    ),
  );

/** kind type: the same value, of another type and under another name. */
export const typeShape = z
  .strictObject({
    kind: z.literal("type"),
    table,
    old: column,
    new: column,
    /** As ALTER COLUMN ... TYPE writes it. */
    type: z.string().min(1),
    /** From the old column, as ALTER COLUMN ... TYPE ... USING writes it; a cast without it. */
    using: z.string().min(1).optional(),
    /** The way back, from the new column; a cast without it. */
    back: z.string().min(1).optional(),
    ...filling,
  })
  .refine(...isAnotherColumn)
  .transform(({ old, new: fresh, type, using, back, ...rest }) =>
    columnsOf(
      rest,
      {
        kind: "type",
        old,
        new: fresh,
        type,
        hasBack: back !== undefined,
        hasUsing: using !== undefined,
      },
      using ?? `${quoted(old)}::${type}`,
      back ?? quoted(fresh),
    ),
  );

/** The same as kind columns says it. */
function columnsOf<T extends { kind: string }>(
  rest: T,
  same: SameValue,
  forward: string,
  reverse: string,
) {
  return {
    ...rest,
    kind: "columns" as const,
    old: [same.old],
    new: [same.new],
    forward: { [same.new]: forward },
    reverse: { [same.old]: reverse },
    same,
  };
}
