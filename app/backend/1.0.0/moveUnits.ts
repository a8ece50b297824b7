import { Problem } from "../../service/1.0.0/problem";
import type { Receipt } from "./appliedRequests";
import type { Query } from "./database";
import { mostQuantity } from "./input";
import { noItem } from "./refusals";

/** A warehouse as a release's inventory refers to it. */
export interface Place {
  readonly column: "warehouse_name" | "warehouse_id";
  readonly value: string | number;
  /** What the problem says when the item is there already. */
  readonly alreadyThere: string;
}

interface Stock {
  id: number;
  name: string;
  quantity: number;
  unitPrice: string | null;
  warehouse: string | number | null;
}

/**
 * Moves units of an item to another warehouse: onto the item of the same name and price there, or
 * onto a new one. The caller has locked the target warehouse's row; then the items are locked by id,
 * so that moves neither deadlock nor lose or double a unit, and two moves to one place, also of two
 * releases, agree on where to put them.
 */
export async function moveUnits(
  query: Query,
  id: number,
  quantity: number,
  to: Place,
): Promise<Receipt> {
  const { source, same } = await lockItems(query, id, to);
  if (source.warehouse === to.value) {
    throw new Problem(400, "Bad request", to.alreadyThere, [
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
    `INSERT INTO inventory (name, quantity, unit_price, ${to.column})
     VALUES ($1, $2, $3, $4) RETURNING id`,
    [source.name, quantity, source.unitPrice, to.value],
  );
  if (created === undefined) throw new Error("INSERT returned no row.");
  return { from, to: { id: created.id, quantity } };
}

/** The item, and the one of the same name and price in the target if there is one, both locked. */
async function lockItems(query: Query, id: number, to: Place) {
  const found = await query<{ id: number | null }>(
    `SELECT min(same.id) AS id FROM inventory source JOIN inventory same
       ON same.${to.column} = $2 AND same.name = source.name
      AND same.unit_price IS NOT DISTINCT FROM source.unit_price
     WHERE source.id = $1`,
    [id, to.value],
  );
  // By id alone: a row that another move has just changed is checked again, and must still match.
  const rows = await query<Stock>(
    `SELECT id, name, quantity, unit_price AS "unitPrice", ${to.column} AS warehouse
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
