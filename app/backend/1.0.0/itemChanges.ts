import * as z from "zod";
import { Problem } from "../../service/1.0.0/problem";
import type { Receipt } from "./appliedRequests";
import type { Query } from "./database";
import { mostQuantity, text, whole } from "./input";
import { noItem } from "./refusals";

/** What a new item is told by in every release; its warehouse comes on top. */
export const newItemFields = {
  name: text(200),
  quantity: whole(0, mostQuantity),
  unitPrice: z
    .string("must be an amount such as 12.50")
    .regex(/^\d{1,10}(\.\d{1,2})?$/, "must be an amount such as 12.50")
    .nullable()
    .default(null),
};

export const changeBody = z.strictObject({
  /** Added to the quantity; negative takes away. */
  change: whole(-mostQuantity, mostQuantity).refine((n) => n !== 0, { error: "must not be 0" }),
  /** The quantity the person saw; given, the change is refused if it is another one by now. */
  expected: whole(0, mostQuantity).optional(),
});

/** Adds to a quantity or takes from it, never below nothing and never over a change unseen. */
export async function changeQuantity(
  query: Query,
  id: number,
  { change, expected }: z.output<typeof changeBody>,
): Promise<Receipt> {
  const [changed] = await query<{ quantity: number }>(
    `UPDATE inventory SET quantity = quantity + $2
     WHERE id = $1 AND quantity::bigint + $2 BETWEEN 0 AND ${mostQuantity}
       AND quantity = coalesce($3, quantity)
     RETURNING quantity`,
    [id, change, expected],
  );
  if (changed !== undefined) return { id, quantity: changed.quantity };
  const quantity = await findQuantity(query, id);
  if (expected !== undefined && expected !== quantity) {
    throw new Problem(
      409,
      "Changed meanwhile",
      `Somebody else changed this item: there are ${quantity} now, not ${expected}.`,
    );
  }
  throw new Problem(
    409,
    "Not that many",
    change < 0 ? `There are only ${quantity}.` : `There can be ${mostQuantity} at most.`,
  );
}

/** Takes an item out of the book; only one that is out of stock. */
export async function removeItem(query: Query, id: number): Promise<Receipt> {
  const removed = await query("DELETE FROM inventory WHERE id = $1 AND quantity = 0 RETURNING id", [
    id,
  ]);
  if (removed.length > 0) return { id };
  const quantity = await findQuantity(query, id);
  throw new Problem(
    409,
    "Still in stock",
    `There are ${quantity} of it. Set the quantity to 0 first, or move them.`,
  );
}

async function findQuantity(query: Query, id: number): Promise<number> {
  const [item] = await query<{ quantity: number }>("SELECT quantity FROM inventory WHERE id = $1", [
    id,
  ]);
  if (item === undefined) throw noItem();
  return item.quantity;
}
