import * as z from "zod";
import type { Receipt } from "./appliedRequests";
import type { Query } from "./database";
import { mostQuantity, text, whole } from "./input";
import { moveUnits } from "./moveUnits";
import { noWarehouse } from "./refusals";

export const moveBody = z.strictObject({
  /** The location to move to, byte for byte. */
  to: text(200),
  quantity: whole(1, mostQuantity),
});

/** Moves units of an item to the warehouse of that location. */
export async function moveStock(
  query: Query,
  id: number,
  { to, quantity }: z.output<typeof moveBody>,
): Promise<Receipt> {
  const target = await query("SELECT id FROM warehouses WHERE location = $1 FOR NO KEY UPDATE", [
    to,
  ]);
  if (target.length === 0) throw noWarehouse("to", to);
  return moveUnits(query, id, quantity, {
    column: "warehouse_name",
    value: to,
    alreadyThere: `It is in "${to}" already.`,
  });
}
