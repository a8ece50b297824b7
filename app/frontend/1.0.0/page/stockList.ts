import { fetchItems } from "./api";
import { byId } from "./elements";
import type { InventoryApi } from "./itemDialogs";
import { ItemTable } from "./itemTable";
import * as filters from "./stockFilters";

const warehouse = byId("warehouse", HTMLSelectElement);

const api: InventoryApi = {
  address: "/api/inventory",
  placeFields: (key) => ({ warehouse: key }),
  target: (key) => key,
};
const table = new ItemTable(api, () => {
  const chosen = { ...filters.commonWish(), warehouse: warehouse.value };
  return {
    fetchPage: (place, signal) => fetchItems({ ...chosen, ...place }, signal),
    filteredWords: filters.filteredWords(warehouse.value),
  };
});

export function startStockList(): void {
  filters.startFilters(() => void reload());
  warehouse.addEventListener("change", () => void reload());
  byId("add-item", HTMLButtonElement).addEventListener("click", () => {
    table.askToAdd(warehouse.value);
  });
}

/** Shows what one warehouse has, as if a person had chosen it. */
export function showWarehouse(location: string): void {
  filters.clearFilters();
  warehouse.value = location;
  void reload();
}

/** Reads the list from its beginning, for other filters or after an interruption. */
export async function reload(): Promise<void> {
  filters.writeAddress([warehouse]);
  await table.reload();
}

/** Reads again what is shown, after a change. */
export function refresh(): Promise<void> {
  return table.refresh();
}

/** Sets the filters as the address says; the warehouses must be there to choose from. */
export function readAddress(): void {
  filters.readAddress();
  filters.chooseFromAddress(warehouse);
}
