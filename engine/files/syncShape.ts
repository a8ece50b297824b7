import * as z from "zod";

export const column = z.string().min(1);
export const table = z
  .string()
  .regex(/^[^.]+(\.[^.]+)?$/, { error: "must be table or schema.table" });
const rejects = z.enum(["block", "allow-null"]).default("block");

/** What every kind may say of its backfill. */
export const filling = {
  rejects,
  /** Sessions that fill at the same time, each its own range of the key. */
  workers: z.number().int().min(1).max(16).default(1),
  /**
   * gentle: after each batch as long a rest. It takes twice as long, and is hardly felt
   * where server and application share few processors.
   */
  pace: z.enum(["steady", "gentle"]).default("steady"),
  /** Columns that a trigger of the application may change in the rows that are filled. */
  touches: z.array(column).default([]),
  /**
   * B-tree indexes of the new columns, name by name a list of what they are of, each as CREATE INDEX
   * writes it. Built when all rows are filled: until then no row's update has to touch any index.
   */
  indexes: z.record(column, z.array(z.string().min(1)).min(1)).default({}),
};

export type Pace = z.output<typeof filling.pace>;

/** Else the contract would archive the column that the new release uses. */
export const isAnotherColumn: [
  (sync: { old: string; new: string }) => boolean,
  { path: PropertyKey[]; error: string },
] = [(sync) => sync.old !== sync.new, { path: ["new"], error: "is the old column too" }];
