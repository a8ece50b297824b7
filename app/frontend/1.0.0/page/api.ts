import type { ItemPage } from "../../../backend/1.0.0/inventoryList";
import type { Page } from "../../../backend/1.0.0/keysetPage";
import type { Warehouse } from "../../../backend/1.0.0/warehouses";
import { request } from "./calls";
import type { ShownItem } from "./shownItem";

export type { Warehouse };

export interface ListWish {
  q: string;
  warehouse: string;
  sort: string;
  limit: number;
  cursor?: string;
}

export async function fetchItems(wish: ListWish, signal: AbortSignal): Promise<Page<ShownItem>> {
  const query = new URLSearchParams({ sort: wish.sort, limit: String(wish.limit) });
  if (wish.q !== "") query.set("q", wish.q);
  if (wish.warehouse !== "") query.set("warehouse", wish.warehouse);
  if (wish.cursor !== undefined) query.set("cursor", wish.cursor);
  const page = (await request(`/api/inventory?${query.toString()}`, {}, signal)) as ItemPage;
  const items = page.items.map((item) => ({ ...item, warehouseKey: item.warehouse }));
  return { ...page, items };
}

export async function fetchWarehouses(): Promise<Warehouse[]> {
  const { warehouses } = (await request("/api/warehouses")) as { warehouses: Warehouse[] };
  return warehouses;
}
