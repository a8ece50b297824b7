import type { FastifyInstance } from "fastify";
import * as z from "zod";
import { type Receipt, writeOnce } from "../1.0.0/appliedRequests";
import { type Contact, contactChange, newContact } from "../1.0.0/contact";
import type { Database, Query } from "../1.0.0/database";
import { isDuplicate } from "../1.0.0/databaseErrors";
import { idInPath, parse } from "../1.0.0/input";
import { noSuchWarehouse } from "../1.0.0/refusals";
import { Problem } from "../../service/1.0.0/problem";
import { city, ensureIsAddress, state } from "./address";
import { type Address, formatAddress } from "./formatAddress";

export interface Warehouse extends Address, Contact {
  id: number;
}

const newWarehouse = z.strictObject({ city, state: state.default(null), ...newContact });

const warehouseChange = z
  .strictObject({ city, state, ...contactChange })
  .partial()
  .refine((change) => Object.keys(change).length > 0, { error: "must change something" });

const warehouseColumns = `id, city, state, contact_name AS "contactName",
  contact_email AS "contactEmail", contact_phone AS "contactPhone"`;

export function warehouseRoutes(app: FastifyInstance, database: Database): void {
  app.get("/api/v2/warehouses", () =>
    database.read(async (query) => ({
      warehouses: await query<Warehouse>(
        `SELECT ${warehouseColumns} FROM warehouses ORDER BY lower(city), city, state, id`,
        [],
      ),
    })),
  );
  app.post("/api/v2/warehouses", (request, reply) => {
    const warehouse = parse(newWarehouse, request.body);
    reply.code(201);
    return writeOnce(database, request, (query) => addWarehouse(query, warehouse));
  });
  app.patch("/api/v2/warehouses/:id", (request) => {
    const { id } = parse(idInPath, request.params);
    const change = parse(warehouseChange, request.body);
    return writeOnce(database, request, (query) => changeWarehouse(query, id, change));
  });
}

async function addWarehouse(
  query: Query,
  warehouse: z.output<typeof newWarehouse>,
): Promise<Receipt> {
  ensureIsAddress(warehouse);
  const { contactName, contactEmail, contactPhone } = warehouse;
  const adding = query<{ id: number }>(
    `INSERT INTO warehouses (city, state, contact_name, contact_email, contact_phone)
     VALUES ($1, $2, $3, $4, $5) RETURNING id`,
    [warehouse.city, warehouse.state, contactName, contactEmail, contactPhone],
  );
  const [added] = await explainTaken(warehouse, adding);
  if (added === undefined) throw new Error("INSERT returned no row.");
  return { id: added.id };
}

/**
 * Changes what is given. The row is locked before it is read, so that of two changes at once none
 * undoes the other. Stock refers to the warehouse by id and stays as it is; what release 1.0.0 calls
 * the warehouse follows in the database as long as that release is served.
 */
async function changeWarehouse(
  query: Query,
  id: number,
  change: z.output<typeof warehouseChange>,
): Promise<Receipt> {
  const [before] = await query<Warehouse>(
    `SELECT ${warehouseColumns} FROM warehouses WHERE id = $1 FOR NO KEY UPDATE`,
    [id],
  );
  if (before === undefined) throw noSuchWarehouse();
  const after = {
    ...before,
    ...change,
    city: change.city ?? before.city,
    state: change.state === undefined ? before.state : change.state,
  };
  ensureIsAddress(after);
  const changing = query(
    `UPDATE warehouses SET city = $2, state = $3, contact_name = $4, contact_email = $5,
            contact_phone = $6
     WHERE id = $1`,
    [id, after.city, after.state, after.contactName, after.contactEmail, after.contactPhone],
  );
  await explainTaken(after, changing);
  return { id };
}

/** As long as release 1.0.0 is served, no two warehouses may be called the same there. */
async function explainTaken<T>(address: Address, write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    if (!isDuplicate(error, "warehouses_location_key")) throw error;
    const name = formatAddress(address);
    throw new Problem(409, "Address taken", `There is a warehouse in "${name}" already.`, [
      { field: "city", message: "has a warehouse already" },
    ]);
  }
}
