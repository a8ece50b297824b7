import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { Problem } from "../../service/1.0.0/problem";
import { type Receipt, writeOnce } from "./appliedRequests";
import type { Database, Query } from "./database";
import { idInPath, mostQuantity, parse, text, whole } from "./input";
import { listItems, listQuery } from "./inventoryList";
import { moveBody, moveStock } from "./moveStock";
import { noItem, noWarehouse } from "./refusals";

const newItem = z.strictObject({
  name: text(200),
  quantity: whole(0, mostQuantity),
  unitPrice: z
    .string("must be an amount such as 12.50")
    .regex(/^\d{1,10}(\.\d{1,2})?$/, "must be an amount such as 12.50")
    .nullable()
    .default(null),
  /** The location of an existing warehouse, byte for byte. */
  warehouse: text(200),
});

const changeBody = z.strictObject({
  /** Added to the quantity; negative takes away. */
  change: whole(-mostQuantity, mostQuantity).refine((n) => n !== 0, { error: "must not be 0" }),
  /** The quantity the person saw; given, the change is refused if it is another one by now. */
  expected: whole(0, mostQuantity).optional(),
});

export function inventoryRoutes(app: FastifyInstance, database: Database): void {
  app.get("/api/inventory", (request) => {
    const wanted = parse(listQuery, request.query);
    return database.read((query) => listItems(query, wanted));
  });
  app.post("/api/inventory", (request, reply) => {
    const item = parse(newItem, request.body);
    reply.code(201);
    return writeOnce(database, request, (query) => addItem(query, item));
  });
  app.patch("/api/inventory/:id", (request) => {
    const { id } = parse(idInPath, request.params);
    const body = parse(changeBody, request.body);
    return writeOnce(database, request, (query) => changeQuantity(query, id, body));
  });
  app.post("/api/inventory/:id/move", (request) => {
    const { id } = parse(idInPath, request.params);
    const body = parse(moveBody, request.body);
    return writeOnce(database, request, (query) => moveStock(query, id, body));
  });
  app.delete("/api/inventory/:id", (request) => {
    const { id } = parse(idInPath, request.params);
    return writeOnce(database, request, (query) => removeItem(query, id));
  });
}

async function addItem(query: Query, item: z.output<typeof newItem>): Promise<Receipt> {
  // The lock keeps the warehouse from being renamed before this row, which holds its name, is there.
  const [added] = await query<{ id: number }>(
    `WITH warehouse AS (SELECT location FROM warehouses WHERE location = $4 FOR KEY SHARE)
     INSERT INTO inventory (name, quantity, unit_price, warehouse_name)
     SELECT $1, $2, $3, location FROM warehouse RETURNING id`,
    [item.name, item.quantity, item.unitPrice, item.warehouse],
  );
  if (added === undefined) throw noWarehouse("warehouse", item.warehouse);
  return { id: added.id };
}

async function changeQuantity(
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

async function removeItem(query: Query, id: number): Promise<Receipt> {
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
