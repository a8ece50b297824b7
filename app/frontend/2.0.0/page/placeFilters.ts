import { byId } from "../../1.0.0/page/elements";
import { formatQuantity } from "../../1.0.0/page/format";
import { chooseFromAddress } from "../../1.0.0/page/stockFilters";
import { fillSelect } from "../../1.0.0/page/warehouseChoices";
import { formatAddress } from "../../../backend/2.0.0/formatAddress";
import type { Places, Warehouse } from "./api";
import { nameWarehouse } from "./warehouseNames";

/** What stands for the towns without a state, as in the API. */
const noState = "none";

const state = byId("state", HTMLSelectElement);
const city = byId("city", HTMLSelectElement);
const warehouse = byId("warehouse", HTMLSelectElement);
/** From the widest to the narrowest. */
export const placeSelects = [state, city, warehouse];

let places: Places = { states: [], cities: [] };
let warehouses: readonly Warehouse[] = [];

/** Tells the filters what there is; what is chosen stays, if it is still there. */
export function offerPlaces(offered: Places, all: readonly Warehouse[]): void {
  places = offered;
  warehouses = all;
  const states = places.states.map((one) => ({
    key: keyOf(one.state),
    label: `${one.state ?? "No state"} (${formatQuantity(one.warehouses)})`,
  }));
  fillSelect(state, "All", states);
  narrow();
}

/** @param onChange what to do when another place is chosen */
export function startPlaceFilters(onChange: () => void): void {
  state.addEventListener("change", () => {
    city.value = "";
    onChange();
  });
  city.addEventListener("change", () => {
    // Chosen among the cities of all states: its state is chosen with it.
    const itsState = city.selectedOptions[0]?.dataset.state;
    if (itsState !== undefined) state.value = itsState;
    warehouse.value = "";
    onChange();
  });
  warehouse.addEventListener("change", onChange);
}

/** Offers the cities of the state, and the warehouses of the city where it has more than one. */
export function narrow(): void {
  const inState = places.cities.filter(
    (one) => state.value === "" || keyOf(one.state) === state.value,
  );
  const chosen = city.value;
  const options = inState.map((one) => {
    const name = state.value === "" ? formatAddress(one) : one.city;
    const count = one.warehouses > 1 ? ` (${formatQuantity(one.warehouses)})` : "";
    const option = new Option(name + count, one.city);
    option.dataset.state = keyOf(one.state);
    return option;
  });
  city.replaceChildren(new Option("All", ""), ...options);
  // Without a state the name of a city may stand for several.
  const isThere = state.value !== "" && inState.some((one) => one.city === chosen);
  city.value = isThere ? chosen : "";

  const inCity = warehouses.filter((one) =>
    city.value === ""
      ? one.city === null && state.value === ""
      : one.city === city.value && keyOf(one.state) === state.value,
  );
  const isTelling = inCity.length > (city.value === "" ? 0 : 1);
  fillSelect(
    warehouse,
    "All",
    isTelling ? inCity.map((one) => ({ key: String(one.id), label: numberWithContact(one) })) : [],
  );
  byId("warehouse-field", HTMLElement).hidden = !isTelling;
}

/** Chooses what a warehouse's address says, and the warehouse itself where it shares that. */
export function chooseWarehouse({ id, city: itsCity, state: itsState }: Warehouse): void {
  state.value = itsCity === null ? "" : keyOf(itsState);
  narrow();
  city.value = itsCity ?? "";
  narrow();
  warehouse.value = String(id);
  if (warehouse.selectedIndex < 0) warehouse.value = "";
}

/** Sets the places as the address of the page says. */
export function choosePlacesFromAddress(): void {
  for (const select of placeSelects) {
    chooseFromAddress(select);
    narrow();
  }
}

/** What is chosen, as the API is asked for it. */
export function chosenPlaces(): { state: string; city: string; warehouse: string } {
  return { state: state.value, city: city.value, warehouse: warehouse.value };
}

/** What is chosen, in words; "" when nothing is. */
export function placeWords(): string {
  const one = warehouses.find(({ id }) => String(id) === warehouse.value);
  if (one !== undefined) return nameWarehouse(one);
  if (city.value !== "") {
    return formatAddress({
      city: city.value,
      state: state.value === noState ? null : state.value,
    });
  }
  return state.value === noState ? "any town without a state" : state.value;
}

/** The key of the only warehouse that is chosen by what is chosen, or "". */
export function onlyWarehouse(): string {
  if (warehouse.value !== "" || city.value === "") return warehouse.value;
  const inCity = warehouses.filter(
    (one) => one.city === city.value && keyOf(one.state) === state.value,
  );
  return inCity.length === 1 ? String(inCity[0]?.id) : "";
}

/** Tells warehouses of one city apart: "#13 Renée Ito". */
function numberWithContact({ id, contactName }: Warehouse): string {
  return [`#${id}`, contactName].filter((part) => part !== null).join(" ");
}

function keyOf(itsState: string | null): string {
  return itsState ?? noState;
}
