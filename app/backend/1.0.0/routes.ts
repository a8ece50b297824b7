import type { FastifyInstance } from "fastify";
import type { Database } from "./database";
import { inventoryRoutes } from "./inventory";
import { menuRoutes } from "./menu";
import { warehouseRoutes } from "./warehouses";

/** The whole API of this release. */
export function addRoutes(app: FastifyInstance, database: Database): void {
  inventoryRoutes(app, database);
  warehouseRoutes(app, database);
  menuRoutes(app, database);
}
