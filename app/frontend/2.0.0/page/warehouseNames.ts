import { type Address, formatAddress } from "../../../backend/2.0.0/formatAddress";

/** The ids of the warehouses at each address that has more than one. */
let shared = new Map<string, readonly number[]>();

/** Learns which warehouses share an address, and so need a number to be told apart. */
export function learnWarehouses(warehouses: readonly (Address & { id: number })[]): void {
  const byAddress = new Map<string, number[]>();
  for (const warehouse of warehouses) {
    const address = formatAddress(warehouse);
    byAddress.set(address, [...(byAddress.get(address) ?? []), warehouse.id]);
  }
  shared = new Map([...byAddress].filter(([, ids]) => ids.length > 1));
}

/**
 * A warehouse as people call it: "Boston, GA"; "St. Louis, MO #13" where there are several;
 * "Warehouse #7" where nobody could tell a city.
 */
export function nameWarehouse({ id, ...address }: Address & { id: number | null }): string {
  if (id === null) return "No warehouse";
  const name = formatAddress(address);
  if (name === "") return `Warehouse #${id}`;
  return shared.get(name)?.includes(id) === true ? `${name} #${id}` : name;
}
