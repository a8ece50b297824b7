import type { FastifyInstance } from "fastify";
import * as z from "zod";
import { type Receipt, writeOnce } from "./appliedRequests";
import type { Database, Query } from "./database";
import { idInPath, parse, text } from "./input";
import { listItems, listQuery } from "./inventoryList";
import { changeBody, changeQuantity, newItemFields, removeItem } from "./itemChanges";
import { moveBody, moveStock } from "./moveStock";
import { noWarehouse } from "./refusals";

const newItem = z.strictObject({
  ...newItemFields,
  /** The location of an existing warehouse, byte for byte. */
  warehouse: text(200),
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
