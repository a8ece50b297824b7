import type { Warehouse } from "./api";
import { byId } from "./elements";

let locations: string[] = [];

/** Tells every select of warehouses what there is to choose from. */
export function setWarehouses(warehouses: readonly Warehouse[]): void {
  locations = warehouses.map(({ location }) => location);
}

/**
 * Fills a select with all warehouses, keeping what is chosen in it if that is still there.
 * @param first the text of the choice of none
 * @param without a location to leave out
 */
export function fillWarehouses(id: string, first: string, without?: string): void {
  const select = byId(id, HTMLSelectElement);
  const chosen = select.value;
  const options = locations
    .filter((location) => location !== without)
    .map((location) => new Option(location, location));
  select.replaceChildren(new Option(first, ""), ...options);
  select.value = locations.includes(chosen) && chosen !== without ? chosen : "";
}
