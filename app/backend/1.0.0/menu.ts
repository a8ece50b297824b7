import type { FastifyInstance } from "fastify";
import type { Database } from "./database";

export interface Dish {
  id: number;
  item: string;
}

export function menuRoutes(app: FastifyInstance, database: Database): void {
  app.get("/api/menu", () =>
    database.read(async (query) => ({
      menu: await query<Dish>("SELECT id, item FROM menu ORDER BY item, id", []),
    })),
  );
}
