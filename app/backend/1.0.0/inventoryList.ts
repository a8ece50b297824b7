import * as z from "zod";
import type { Query } from "./database";
import { anyText, type ListSource, type Page, pageQuery, readPage } from "./keysetPage";

/** An inventory row as the API shows it; unitPrice is US dollars as decimal text, exact. */
export interface Item {
  id: number;
  name: string;
  quantity: number;
  unitPrice: string | null;
  warehouse: string;
  dateAdded: string;
}

export type ItemPage = Page<Item>;

export const listQuery = z.strictObject({
  /** A warehouse's location, byte for byte. */
  warehouse: anyText.optional(),
  ...pageQuery,
});

export function listItems(
  query: Query,
  { warehouse, ...wanted }: z.output<typeof listQuery>,
): Promise<ItemPage> {
  const source: ListSource = {
    columns: `i.id, i.name, i.quantity, i.unit_price AS "unitPrice",
              i.warehouse_name AS warehouse, i.date_added AS "dateAdded"`,
    join: "",
    conditions: (parameter) =>
      warehouse === undefined ? [] : [`i.warehouse_name = ${parameter(warehouse)}`],
  };
  return readPage<Item>(query, source, wanted);
}
