import type { QueryResultRow } from "pg";
import * as z from "zod";
import { Problem } from "../../service/1.0.0/problem";
import type { Query } from "./database";
import { mostQuantity } from "./input";

/** One page of a list, and what asks for the page after it; null on the last page. */
export interface Page<Row> {
  items: Row[];
  nextCursor: string | null;
}

const orders = {
  name: { column: "name", type: "text", descending: false },
  "-name": { column: "name", type: "text", descending: true },
  dateAdded: { column: "date_added", type: "date", descending: false },
  "-dateAdded": { column: "date_added", type: "date", descending: true },
  quantity: { column: "quantity", type: "integer", descending: false },
  "-quantity": { column: "quantity", type: "integer", descending: true },
} as const;
type Sort = keyof typeof orders;
const sorts = Object.keys(orders) as [Sort, ...Sort[]];

export const anyText = z
  .string("must be given once")
  .max(200, "must not be longer than 200 characters")
  .regex(/^[^\0\p{Cs}]*$/u, "must be readable text");

/** The parameters that every list of inventory takes. */
export const pageQuery = {
  /** Words that the name must contain, each at least by its first letters. */
  q: anyText.default(""),
  sort: z.enum(sorts, `must be one of ${sorts.join(", ")}`).default("name"),
  limit: z
    .string("must be given once")
    .regex(/^([1-9]\d?|1\d\d|200)$/, "must be a whole number from 1 to 200")
    .default("50")
    .transform(Number),
  cursor: z.string("must be given once").max(2_000, "is too long").optional(),
};
type PageQuery = z.output<z.ZodObject<typeof pageQuery>>;

/** What a list shows and what it leaves out, in SQL with `inventory` called `i`. */
export interface ListSource {
  /** The select list: the fields of an item, `i.id` among them. */
  readonly columns: string;
  /** What `inventory i` is joined with, or "". */
  readonly join: string;
  /** Conditions that all must hold; `parameter` takes a value and returns its placeholder. */
  readonly conditions: (parameter: (value: unknown) => string) => string[];
}

/** Reads one page by keyset: its cost does not grow with the number of pages before it. */
export async function readPage<Row extends QueryResultRow & { id: number }>(
  query: Query,
  source: ListSource,
  wanted: PageQuery,
): Promise<Page<Row>> {
  const { column, type, descending } = orders[wanted.sort];
  const values: unknown[] = [];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const conditions: string[] = [];
  if (wanted.q.trim() !== "") {
    const words = parameter(toWordQuery(wanted.q));
    conditions.push(`i.words @@ to_tsquery('simple', ${words})`);
  }
  conditions.push(...source.conditions(parameter));
  if (wanted.cursor !== undefined) {
    const { value, id } = readCursor(wanted.cursor, wanted.sort);
    conditions.push(
      `(i.${column}, i.id) ${descending ? "<" : ">"} (${parameter(value)}::${type}, ${parameter(id)}::bigint)`,
    );
  }
  const direction = descending ? "DESC" : "ASC";
  const rows = await query<Row & { position?: string }>(
    `SELECT ${source.columns}, i.${column}::text AS position
     FROM inventory i ${source.join} ${conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : ""}
     ORDER BY i.${column} ${direction}, i.id ${direction} LIMIT ${parameter(wanted.limit + 1)}`,
    values,
  );
  const items = rows.slice(0, wanted.limit);
  const last = items.at(-1);
  const position = rows.length > wanted.limit ? last?.position : undefined;
  const nextCursor =
    last === undefined || position === undefined
      ? null
      : writeCursor(wanted.sort, position, last.id);
  for (const item of items) delete item.position;
  return { items, nextCursor };
}

/** A tsquery that finds names holding every word of `typed`, the words' ends still missing. */
export function toWordQuery(typed: string): string {
  const words = typed.split(/[\s\\]+/).filter((word) => word !== "");
  return words.map((word) => `'${word.replaceAll("'", "''")}':*`).join(" & ");
}

const cursorShape = z.tuple([z.enum(sorts), z.string(), z.int().positive()]);
const positionShapes = {
  text: z.string().regex(/^[^\0\p{Cs}]{1,200}$/u),
  // The year before 1 is no 0 in PostgreSQL.
  date: z.iso.date().refine((date) => !date.startsWith("0000")),
  integer: z
    .string()
    .regex(/^\d{1,10}$/)
    .refine((digits) => Number(digits) <= mostQuantity),
};

export function writeCursor(sort: Sort, position: string, id: number): string {
  return Buffer.from(JSON.stringify([sort, position, id])).toString("base64url");
}

/** @throws Problem 400 for a cursor that this API did not write, or wrote for another order */
export function readCursor(cursor: string, sort: Sort): { value: string; id: number } {
  const parsed = cursorShape.safeParse(parseJson(Buffer.from(cursor, "base64url").toString()));
  if (parsed.success) {
    const [writtenFor, value, id] = parsed.data;
    const isPosition = positionShapes[orders[sort].type].safeParse(value).success;
    if (writtenFor === sort && isPosition) return { value, id };
  }
  throw new Problem(400, "Bad request", "cursor does not belong to this list.", [
    { field: "cursor", message: "does not belong to this list" },
  ]);
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
