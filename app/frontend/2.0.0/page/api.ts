import type { Page } from "../../../backend/1.0.0/keysetPage";
import type { ItemPage } from "../../../backend/2.0.0/inventoryList";
import type { CityCount, Places, StateCount } from "../../../backend/2.0.0/places";
import type { Warehouse } from "../../../backend/2.0.0/warehouses";
import { request } from "../../1.0.0/page/calls";
import type { ShownItem } from "../../1.0.0/page/shownItem";
import { nameWarehouse } from "./warehouseNames";

export type { CityCount, Places, StateCount, Warehouse };

export interface ListWish {
  q: string;
  /** Two capitals, "none" for towns without a state, or "" for all. */
  state: string;
  city: string;
  /** The id of a warehouse, or "". */
  warehouse: string;
  sort: string;
  limit: number;
  cursor?: string;
}

export async function fetchItems(wish: ListWish, signal: AbortSignal): Promise<Page<ShownItem>> {
  const given = Object.entries(wish).filter(([, value]) => value !== "");
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  const page = (await request(`/api/v2/inventory?${query.toString()}`, {}, signal)) as ItemPage;
  const items = page.items.map(({ warehouseId, city, state, ...item }) => ({
    ...item,
    warehouse: nameWarehouse({ id: warehouseId, city, state }),
    warehouseKey: String(warehouseId ?? ""),
  }));
  return { ...page, items };
}

export async function fetchWarehouses(): Promise<Warehouse[]> {
  const { warehouses } = (await request("/api/v2/warehouses")) as { warehouses: Warehouse[] };
  return warehouses;
}

export async function fetchPlaces(): Promise<Places> {
  return (await request("/api/v2/places")) as Places;
}
