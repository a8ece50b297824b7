import type { FastifyInstance } from "fastify";
import type { Database } from "../1.0.0/database";

/** A state, or null for the towns without one, and how many warehouses it has. */
export interface StateCount {
  state: string | null;
  warehouses: number;
}

export interface CityCount extends StateCount {
  city: string;
}

export interface Places {
  states: StateCount[];
  cities: CityCount[];
}

/** What there is to filter by; a warehouse without a city is found by its id alone. */
export function placeRoutes(app: FastifyInstance, database: Database): void {
  app.get("/api/v2/places", () =>
    database.read<Places>(async (query) => ({
      states: await query<StateCount>(
        `SELECT state, count(*) AS warehouses FROM warehouses WHERE city IS NOT NULL
         GROUP BY state ORDER BY state`,
        [],
      ),
      cities: await query<CityCount>(
        `SELECT city, state, count(*) AS warehouses FROM warehouses WHERE city IS NOT NULL
         GROUP BY city, state ORDER BY lower(city), city, state`,
        [],
      ),
    })),
  );
}
