import type { FastifyInstance } from "fastify";
import * as z from "zod";
import { Problem } from "../../service/1.0.0/problem";
import { type Receipt, writeOnce } from "./appliedRequests";
import { type Contact, contactChange, newContact } from "./contact";
import type { Database, Query } from "./database";
import { isDuplicate } from "./databaseErrors";
import { idInPath, parse, text } from "./input";
import { noSuchWarehouse } from "./refusals";

export interface Warehouse extends Contact {
  id: number;
  location: string;
}

const location = text(200);
const newWarehouse = z.strictObject({
  location,
  ...newContact,
});

const warehouseChange = z
  .strictObject({ location, ...contactChange })
  .partial()
  .refine((change) => Object.keys(change).length > 0, { error: "must change something" });

export function warehouseRoutes(app: FastifyInstance, database: Database): void {
  app.get("/api/warehouses", () =>
    database.read(async (query) => ({ warehouses: await listWarehouses(query) })),
  );
  app.post("/api/warehouses", (request, reply) => {
    const warehouse = parse(newWarehouse, request.body);
    reply.code(201);
    return explainTaken(
      warehouse.location,
      writeOnce(database, request, (query) => addWarehouse(query, warehouse)),
    );
  });
  app.patch("/api/warehouses/:id", (request) => {
    const { id } = parse(idInPath, request.params);
    const change = parse(warehouseChange, request.body);
    return explainTaken(
      change.location ?? "",
      writeOnce(database, request, (query) => changeWarehouse(query, id, change)),
    );
  });
}

function listWarehouses(query: Query): Promise<Warehouse[]> {
  return query<Warehouse>(
    `SELECT id, location, contact_name AS "contactName", contact_email AS "contactEmail",
            contact_phone AS "contactPhone"
     FROM warehouses ORDER BY btrim(location), id`,
    [],
  );
}

async function addWarehouse(
  query: Query,
  warehouse: z.output<typeof newWarehouse>,
): Promise<Receipt> {
  const [added] = await query<{ id: number }>(
    `INSERT INTO warehouses (location, contact_name, contact_email, contact_phone)
     VALUES ($1, $2, $3, $4) RETURNING id`,
    [warehouse.location, warehouse.contactName, warehouse.contactEmail, warehouse.contactPhone],
  );
  if (added === undefined) throw new Error("INSERT returned no row.");
  return { id: added.id };
}

/** Changes what is given; a new location goes into every inventory row of the warehouse with it. */
async function changeWarehouse(
  query: Query,
  id: number,
  change: z.output<typeof warehouseChange>,
): Promise<Receipt> {
  const [before] = await query<Warehouse>(
    `SELECT id, location, contact_name AS "contactName", contact_email AS "contactEmail",
            contact_phone AS "contactPhone"
     FROM warehouses WHERE id = $1 FOR NO KEY UPDATE`,
    [id],
  );
  if (before === undefined) throw noSuchWarehouse();
  const after = { ...before, ...change };
  await query(
    `UPDATE warehouses SET location = $2, contact_name = $3, contact_email = $4, contact_phone = $5
     WHERE id = $1`,
    [id, after.location, after.contactName, after.contactEmail, after.contactPhone],
  );
  if (after.location !== before.location) {
    await query("UPDATE inventory SET warehouse_name = $2 WHERE warehouse_name = $1", [
      before.location,
      after.location,
    ]);
  }
  return { id };
}

async function explainTaken<T>(location: string, write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    if (!isDuplicate(error, "warehouses_location_key")) throw error;
    throw new Problem(409, "Location taken", `There is a warehouse "${location}" already.`, [
      { field: "location", message: "is taken by another warehouse" },
    ]);
  }
}
