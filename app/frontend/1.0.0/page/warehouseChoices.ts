import { byId } from "./elements";

/** A warehouse in a select. */
export interface WarehouseChoice {
  /** What the API calls it. */
  readonly key: string;
  /** What people call it. */
  readonly label: string;
}

let choices: readonly WarehouseChoice[] = [];

/** Tells every select of warehouses what there is to choose from. */
export function setWarehouses(warehouses: readonly WarehouseChoice[]): void {
  choices = warehouses;
}

/**
 * Fills a select with all warehouses, keeping what is chosen in it if that is still there.
 * @param first the text of the choice of none
 * @param without the key of a warehouse to leave out
 */
export function fillWarehouses(id: string, first: string, without?: string): void {
  const others = choices.filter(({ key }) => key !== without);
  fillSelect(byId(id, HTMLSelectElement), first, others);
}

/** Fills a select after a choice of none, keeping what is chosen in it if that is still there. */
export function fillSelect(
  select: HTMLSelectElement,
  first: string,
  offered: readonly WarehouseChoice[],
): void {
  const chosen = select.value;
  const options = offered.map(({ key, label }) => new Option(label, key));
  select.replaceChildren(new Option(first, ""), ...options);
  select.value = offered.some(({ key }) => key === chosen) ? chosen : "";
}
