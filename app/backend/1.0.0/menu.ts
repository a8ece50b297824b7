import type { FastifyInstance } from "fastify";
import type { Database } from "./database";

export interface Dish {
  id: number;
  item: string;
}

/** @param address where the menu is read; the same menu in every release */
export function menuRoutes(app: FastifyInstance, database: Database, address = "/api/menu"): void {
  app.get(address, () =>
    database.read(async (query) => ({
      menu: await query<Dish>("SELECT id, item FROM menu ORDER BY item, id", []),
    })),
  );
}
