import { byId } from "../../1.0.0/page/elements";
import type { InventoryApi } from "../../1.0.0/page/itemDialogs";
import { ItemTable } from "../../1.0.0/page/itemTable";
import * as filters from "../../1.0.0/page/stockFilters";
import { fetchItems, type Warehouse } from "./api";
import * as places from "./placeFilters";

const api: InventoryApi = {
  address: "/api/v2/inventory",
  placeFields: (key) => ({ warehouseId: Number(key) }),
  target: Number,
};
const table = new ItemTable(api, () => {
  const chosen = { ...filters.commonWish(), ...places.chosenPlaces() };
  return {
    fetchPage: (place, signal) => fetchItems({ ...chosen, ...place }, signal),
    filteredWords: filters.filteredWords(places.placeWords()),
  };
});

export function startStockList(): void {
  filters.startFilters(() => void reload());
  places.startPlaceFilters(() => void reload());
  byId("add-item", HTMLButtonElement).addEventListener("click", () => {
    table.askToAdd(places.onlyWarehouse());
  });
}

/** Shows what one warehouse has, as if a person had chosen it. */
export function showWarehouse(warehouse: Warehouse): void {
  filters.clearFilters();
  places.chooseWarehouse(warehouse);
  void reload();
}

/** Reads the list from its beginning, for other filters or after an interruption. */
export async function reload(): Promise<void> {
  places.narrow();
  filters.writeAddress(places.placeSelects);
  await table.reload();
}

/** Reads again what is shown, after a change. */
export function refresh(): Promise<void> {
  return table.refresh();
}

/** Sets the filters as the address says; the places must be there to choose from. */
export function readAddress(): void {
  filters.readAddress();
  places.choosePlacesFromAddress();
}
