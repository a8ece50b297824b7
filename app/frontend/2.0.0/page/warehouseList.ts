import { Refused, send } from "../../1.0.0/page/calls";
import { fillContact, readContact, showContact } from "../../1.0.0/page/contactFields";
import { DialogForm, type Values } from "../../1.0.0/page/dialogForm";
import { byId } from "../../1.0.0/page/elements";
import { tellIfUnreachable } from "../../1.0.0/page/reachability";
import { showCards } from "../../1.0.0/page/warehouseCards";
import { setWarehouses } from "../../1.0.0/page/warehouseChoices";
import { formatAddress } from "../../../backend/2.0.0/formatAddress";
import { fetchPlaces, fetchWarehouses, type Warehouse } from "./api";
import { offerPlaces } from "./placeFilters";
import { refresh, showWarehouse } from "./stockList";
import { learnWarehouses, nameWarehouse } from "./warehouseNames";

const dialog = new DialogForm("warehouse-dialog", () =>
  tellIfUnreachable(true, async () => {
    // The rows name the warehouses as this learns them.
    await loadWarehouses();
    await refresh();
  }),
);

export function startWarehouseList(): void {
  byId("add-warehouse", HTMLButtonElement).addEventListener("click", () => {
    dialog.open(
      {},
      async (values, token) => {
        const warehouse = readWarehouse(values);
        await send("POST", "/api/v2/warehouses", token, warehouse);
        return `Added the warehouse ${formatAddress(warehouse)}.`;
      },
      { title: "Add warehouse" },
    );
  });
}

/** Reads all warehouses into the list, the filters and every select. */
export async function loadWarehouses(): Promise<void> {
  const [warehouses, places] = await Promise.all([fetchWarehouses(), fetchPlaces()]);
  learnWarehouses(warehouses);
  setWarehouses(warehouses.map((one) => ({ key: String(one.id), label: nameWarehouse(one) })));
  offerPlaces(places, warehouses);
  showCards(
    warehouses.map((warehouse) => ({
      id: warehouse.id,
      title: nameWarehouse(warehouse),
      fill: (card) => {
        showContact(card, warehouse);
      },
      edit: () => {
        askToEdit(warehouse);
      },
      seeStock: () => {
        showWarehouse(warehouse);
      },
    })),
  );
}

function askToEdit(warehouse: Warehouse): void {
  const { id, city, state } = warehouse;
  dialog.open(
    { city: city ?? "", state: state ?? "", ...fillContact(warehouse) },
    async (values, token) => {
      const change = readWarehouse(values);
      await send("PATCH", `/api/v2/warehouses/${id}`, token, change);
      return `Saved the warehouse ${formatAddress(change)}.`;
    },
    { title: "Edit warehouse" },
  );
}

function readWarehouse(values: Values) {
  const { city = "", state = "" } = values;
  const errors = [];
  if (city === "") errors.push({ field: "city", message: "say where it is, such as Lockhart" });
  if (!/^([a-z]{2})?$/i.test(state)) {
    errors.push({ field: "state", message: "give two letters, such as TX, or nothing" });
  }
  if (errors.length > 0) throw new Refused("Some fields need another look.", errors);
  return { city, state: state === "" ? null : state.toUpperCase(), ...readContact(values) };
}
