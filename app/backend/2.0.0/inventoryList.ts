import * as z from "zod";
import type { Query } from "../1.0.0/database";
import { anyText, type ListSource, type Page, pageQuery, readPage } from "../1.0.0/keysetPage";
import type { Address } from "./formatAddress";

/** An inventory row as the API shows it; unitPrice is US dollars as decimal text, exact. */
export interface Item extends Address {
  id: number;
  name: string;
  quantity: number;
  unitPrice: string | null;
  /** Null for a row whose warehouse nobody could tell. */
  warehouseId: number | null;
  dateAdded: string;
}

export type ItemPage = Page<Item>;

/** What stands for the towns without a state in a filter. */
export const noState = "none";

export const listQuery = z.strictObject({
  ...pageQuery,
  state: z
    .string("must be given once")
    .regex(/^([A-Z]{2}|none)$/, `must be two capital letters or ${noState}`)
    .optional(),
  city: anyText.optional(),
  warehouse: z
    .string("must be given once")
    .regex(/^[1-9]\d{0,14}$/, "must be the id of a warehouse")
    .optional(),
});

type PlaceQuery = Pick<z.output<typeof listQuery>, "state" | "city" | "warehouse">;

export async function listItems(
  query: Query,
  { state, city, warehouse, ...wanted }: z.output<typeof listQuery>,
): Promise<ItemPage> {
  const ids = await findWarehouses(query, { state, city, warehouse });
  const source: ListSource = {
    columns: `i.id, i.name, i.quantity, i.unit_price AS "unitPrice", w.id AS "warehouseId",
              w.city, w.state, i.date_added AS "dateAdded"`,
    join: "LEFT JOIN warehouses w ON w.id = i.warehouse_id",
    conditions: (parameter) => {
      if (ids === undefined) return [];
      // Equal to one id, the index gives the order of names too.
      if (ids.length === 1) return [`i.warehouse_id = ${parameter(ids[0])}`];
      return [`i.warehouse_id = ANY (${parameter(ids)}::bigint[])`];
    },
  };
  return readPage<Item>(query, source, wanted);
}

/**
 * The ids of the warehouses at a place, or undefined for everywhere. They are found first, because
 * PostgreSQL knows how much stock an id has and nothing of a city: asked by city in one statement it
 * goes through all stock for the fifty items of a small one.
 */
async function findWarehouses(
  query: Query,
  { state, city, warehouse }: PlaceQuery,
): Promise<number[] | undefined> {
  const values: string[] = [];
  const conditions: string[] = [];
  if (warehouse !== undefined) conditions.push(`id = $${values.push(warehouse)}`);
  if (city !== undefined) conditions.push(`city = $${values.push(city)}`);
  // A warehouse without a city has no address at all: it is in none of the towns without a state.
  if (state === noState) conditions.push("state IS NULL AND city IS NOT NULL");
  else if (state !== undefined) conditions.push(`state = $${values.push(state)}`);
  if (conditions.length === 0) return undefined;
  const found = await query<{ id: number }>(
    `SELECT id FROM warehouses WHERE ${conditions.join(" AND ")}`,
    values,
  );
  return found.map(({ id }) => id);
}
