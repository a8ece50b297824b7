import type { FastifyInstance } from "fastify";
import type { Database } from "../1.0.0/database";
import { menuRoutes } from "../1.0.0/menu";
import { addEarlierRoutes } from "./earlierRelease";
import { inventoryRoutes } from "./inventory";
import { placeRoutes } from "./places";
import { warehouseRoutes } from "./warehouses";

/** The whole API of this release, and that of the release before it as long as it can be served. */
export function addRoutes(app: FastifyInstance, database: Database): void {
  inventoryRoutes(app, database);
  warehouseRoutes(app, database);
  placeRoutes(app, database);
  menuRoutes(app, database, "/api/v2/menu");
  addEarlierRoutes(app, database);
}
