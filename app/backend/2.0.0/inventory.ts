import type { FastifyInstance } from "fastify";
import * as z from "zod";
import { type Receipt, writeOnce } from "../1.0.0/appliedRequests";
import type { Database, Query } from "../1.0.0/database";
import { idInPath, mostQuantity, parse, whole } from "../1.0.0/input";
import { changeBody, changeQuantity, newItemFields, removeItem } from "../1.0.0/itemChanges";
import { moveUnits } from "../1.0.0/moveUnits";
import { Problem } from "../../service/1.0.0/problem";
import { type Address, formatAddress } from "./formatAddress";
import { listItems, listQuery } from "./inventoryList";

const warehouseId = z
  .int("must be the id of a warehouse")
  .min(1, "must be the id of a warehouse")
  .max(Number.MAX_SAFE_INTEGER, "must be the id of a warehouse");

const newItem = z.strictObject({ ...newItemFields, warehouseId });

/** `to` is the id of the warehouse to move to. */
const moveBody = z.strictObject({ to: warehouseId, quantity: whole(1, mostQuantity) });

export function inventoryRoutes(app: FastifyInstance, database: Database): void {
  app.get("/api/v2/inventory", (request) => {
    const wanted = parse(listQuery, request.query);
    return database.read((query) => listItems(query, wanted));
  });
  app.post("/api/v2/inventory", (request, reply) => {
    const item = parse(newItem, request.body);
    reply.code(201);
    return writeOnce(database, request, (query) => addItem(query, item));
  });
  app.patch("/api/v2/inventory/:id", (request) => {
    const { id } = parse(idInPath, request.params);
    const body = parse(changeBody, request.body);
    return writeOnce(database, request, (query) => changeQuantity(query, id, body));
  });
  app.post("/api/v2/inventory/:id/move", (request) => {
    const { id } = parse(idInPath, request.params);
    const body = parse(moveBody, request.body);
    return writeOnce(database, request, (query) => moveStock(query, id, body));
  });
  app.delete("/api/v2/inventory/:id", (request) => {
    const { id } = parse(idInPath, request.params);
    return writeOnce(database, request, (query) => removeItem(query, id));
  });
}

async function addItem(query: Query, item: z.output<typeof newItem>): Promise<Receipt> {
  // The lock waits for a rename by release 1.0.0 to end, before the row takes the warehouse's name.
  const [added] = await query<{ id: number }>(
    `WITH warehouse AS (SELECT id FROM warehouses WHERE id = $4 FOR KEY SHARE)
     INSERT INTO inventory (name, quantity, unit_price, warehouse_id)
     SELECT $1, $2, $3, id FROM warehouse RETURNING id`,
    [item.name, item.quantity, item.unitPrice, item.warehouseId],
  );
  if (added === undefined) throw noWarehouse("warehouseId", item.warehouseId);
  return { id: added.id };
}

/** Locks the target's row as release 1.0.0 does, so that moves of both releases take turns there. */
async function moveStock(
  query: Query,
  id: number,
  { to, quantity }: z.output<typeof moveBody>,
): Promise<Receipt> {
  const [target] = await query<Address>(
    "SELECT city, state FROM warehouses WHERE id = $1 FOR NO KEY UPDATE",
    [to],
  );
  if (target === undefined) throw noWarehouse("to", to);
  return moveUnits(query, id, quantity, {
    column: "warehouse_id",
    value: to,
    alreadyThere: `It is in "${formatAddress(target)}" already.`,
  });
}

function noWarehouse(field: string, id: number): Problem {
  return new Problem(400, "Bad request", `There is no warehouse with the id ${id}.`, [
    { field, message: "must be the id of a warehouse" },
  ]);
}
