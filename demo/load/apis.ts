import type { Request } from "./call";
import type { Address, Release } from "./history";

/** A warehouse as both releases know it. */
export interface Place {
  readonly id: number;
  readonly address: Address;
}

/** How a release's API is asked; a write gets its Idempotency-Key from the caller. */
export interface Api {
  /** Whether it refers to warehouses by a name, which a rename changes under it. */
  readonly usesNames: boolean;
  readonly newest: () => Request;
  readonly search: () => Request;
  readonly stockOf: (place: Place) => Request;
  readonly warehouses: () => Request;
  readonly menu: () => Request;
  readonly addItem: (name: string, quantity: number, place: Place) => Request;
  readonly changeQuantity: (id: number, change: number) => Request;
  readonly moveItem: (id: number, quantity: number, to: Place) => Request;
  readonly addWarehouse: (address: Address) => Request;
  readonly renameWarehouse: (id: number, address: Address) => Request;
  /** The address as this release leaves it in the database. */
  readonly address: (city: string, state: string) => Address;
}

const get = (path: string): Request => ({ method: "GET", path });
const post = (path: string, body: object): Request => ({ method: "POST", path, body });
const patch = (path: string, body: object): Request => ({ method: "PATCH", path, body });

export const apis: Record<Release, Api> = {
  "1.0.0": {
    usesNames: true,
    newest: () => get("/api/inventory?sort=-dateAdded&limit=20"),
    search: () => get("/api/inventory?q=bris&limit=20"),
    stockOf: ({ address }) =>
      get(`/api/inventory?limit=20&warehouse=${encodeURIComponent(address.location)}`),
    warehouses: () => get("/api/warehouses"),
    menu: () => get("/api/menu"),
    addItem: (name, quantity, { address }) =>
      post("/api/inventory", { name, quantity, warehouse: address.location }),
    changeQuantity: (id, change) => patch(`/api/inventory/${id}`, { change }),
    moveItem: (id, quantity, { address }) =>
      post(`/api/inventory/${id}/move`, { to: address.location, quantity }),
    addWarehouse: ({ location }) => post("/api/warehouses", { location }),
    renameWarehouse: (id, { location }) => patch(`/api/warehouses/${id}`, { location }),
    // A spelling of its own, which must stay as it is.
    address: (city, state) => ({ city, state, location: `${city} , ${state}` }),
  },
  "2.0.0": {
    usesNames: false,
    newest: () => get("/api/v2/inventory?sort=-dateAdded&limit=20"),
    search: () => get("/api/v2/inventory?q=bris&limit=20&state=GA"),
    stockOf: ({ id }) => get(`/api/v2/inventory?limit=20&warehouse=${id}`),
    warehouses: () => get("/api/v2/warehouses"),
    menu: () => get("/api/v2/places"),
    addItem: (name, quantity, { id }) =>
      post("/api/v2/inventory", { name, quantity, warehouseId: id }),
    changeQuantity: (id, change) => patch(`/api/v2/inventory/${id}`, { change }),
    moveItem: (id, quantity, to) => post(`/api/v2/inventory/${id}/move`, { to: to.id, quantity }),
    addWarehouse: ({ city, state }) => post("/api/v2/warehouses", { city, state }),
    renameWarehouse: (id, { city, state }) => patch(`/api/v2/warehouses/${id}`, { city, state }),
    address: (city, state) => ({ city, state, location: `${city}, ${state}` }),
  },
};
