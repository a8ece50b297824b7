import { z } from "zod";
import { Problem } from "../../service/1.0.0/problem";
import type { Receipt } from "./appliedRequests";
import type { Query } from "./database";
import { mostQuantity, text, whole } from "./input";
import { noItem, noWarehouse } from "./refusals";

export const moveBody = z.strictObject({
  /** The location to move to, byte for byte. */
  to: text(200),
  quantity: whole(1, mostQuantity),
});

interface Stock {
  id: number;
  name: string;
  quantity: number;
  unitPrice: string | null;
  warehouse: string;
}

/**
 * Moves units of an item to another warehouse: onto the item of the same name and price there, or
 * onto a new one. Locks in one order, the target warehouse and then the items by id, so that moves
 * neither deadlock nor lose or double a unit, and two moves to one place agree on where to put them.
 */
export async function moveStock(
  query: Query,
  id: number,
  { to, quantity }: z.output<typeof moveBody>,
): Promise<Receipt> {
  const target = await query("SELECT id FROM warehouses WHERE location = $1 FOR NO KEY UPDATE", [
    to,
  ]);
  if (target.length === 0) throw noWarehouse("to", to);
  const { source, same } = await lockItems(query, id, to);
  if (source.warehouse === to) {
    throw new Problem(400, "Bad request", `It is in "${to}" already.`, [
      { field: "to", message: "must be another warehouse" },
    ]);
  }
  if (source.quantity < quantity) {
    throw new Problem(409, "Not that many", `There are only ${source.quantity} in this warehouse.`);
  }
  if (same !== undefined && same.quantity + quantity > mostQuantity) {
    throw new Problem(409, "Too many", `There can be ${mostQuantity} at most in one warehouse.`);
  }
  const from = await add(query, id, -quantity);
  if (same !== undefined) return { from, to: await add(query, same.id, quantity) };
  const [created] = await query<{ id: number }>(
    `INSERT INTO inventory (name, quantity, unit_price, warehouse_name)
     VALUES ($1, $2, $3, $4) RETURNING id`,
    [source.name, quantity, source.unitPrice, to],
  );
  if (created === undefined) throw new Error("INSERT returned no row.");
  return { from, to: { id: created.id, quantity } };
}

/** The item, and the one of the same name and price in the target if there is one, both locked. */
async function lockItems(query: Query, id: number, to: string) {
  const found = await query<{ id: number | null }>(
    `SELECT min(same.id) AS id FROM inventory source JOIN inventory same
       ON same.warehouse_name = $2 AND same.name = source.name
      AND same.unit_price IS NOT DISTINCT FROM source.unit_price
     WHERE source.id = $1`,
    [id, to],
  );
  // By id alone: a row that another move has just changed is checked again, and must still match.
  const rows = await query<Stock>(
    `SELECT id, name, quantity, unit_price AS "unitPrice", warehouse_name AS warehouse
     FROM inventory WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE`,
    [[id, ...found.flatMap((same) => same.id ?? [])]],
  );
  const source = rows.find((row) => row.id === id);
  if (source === undefined) throw noItem();
  return { source, same: rows.find((row) => row.id !== id) };
}

async function add(query: Query, id: number, units: number): Promise<Record<string, number>> {
  const [changed] = await query<{ quantity: number }>(
    "UPDATE inventory SET quantity = quantity + $2 WHERE id = $1 RETURNING quantity",
    [id, units],
  );
  if (changed === undefined) throw noItem();
  return { id, quantity: changed.quantity };
}
