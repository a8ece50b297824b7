import { z } from "zod";
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

export function listItems(
  query: Query,
  { state, city, warehouse, ...wanted }: z.output<typeof listQuery>,
): Promise<ItemPage> {
  const source: ListSource = {
    columns: `i.id, i.name, i.quantity, i.unit_price AS "unitPrice", w.id AS "warehouseId",
              w.city, w.state, i.date_added AS "dateAdded"`,
    join: "LEFT JOIN warehouses w ON w.id = i.warehouse_id",
    conditions: (parameter) => [
      ...(warehouse === undefined ? [] : [`i.warehouse_id = ${parameter(warehouse)}`]),
      ...(city === undefined ? [] : [`w.city = ${parameter(city)}`]),
      ...conditionsOnState(state, parameter),
    ],
  };
  return readPage<Item>(query, source, wanted);
}

function conditionsOnState(
  state: string | undefined,
  parameter: (value: unknown) => string,
): string[] {
  if (state === undefined) return [];
  // A warehouse without a city has no address at all: it is in none of the towns without a state.
  if (state === noState) return ["w.state IS NULL AND w.city IS NOT NULL"];
  return [`w.state = ${parameter(state)}`];
}
