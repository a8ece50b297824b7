import { fetchWarehouses, type Warehouse } from "./api";
import { Refused, send } from "./calls";
import { fillContact, readContact, showContact } from "./contactFields";
import { DialogForm, type Values } from "./dialogForm";
import { byId } from "./elements";
import { tellIfUnreachable } from "./reachability";
import { refresh, showWarehouse } from "./stockList";
import { showCards } from "./warehouseCards";
import { fillWarehouses, setWarehouses } from "./warehouseChoices";

const dialog = new DialogForm("warehouse-dialog", () =>
  tellIfUnreachable(true, async () => {
    await Promise.all([loadWarehouses(), refresh()]);
  }),
);

export function startWarehouseList(): void {
  byId("add-warehouse", HTMLButtonElement).addEventListener("click", () => {
    dialog.open(
      {},
      async (values, token) => {
        await send("POST", "/api/warehouses", token, readWarehouse(values));
        return `Added the warehouse ${values.location ?? ""}.`;
      },
      { title: "Add warehouse" },
    );
  });
}

/** Reads all warehouses into the list and into every select. */
export async function loadWarehouses(): Promise<void> {
  const warehouses = await fetchWarehouses();
  setWarehouses(warehouses.map(({ location }) => ({ key: location, label: location })));
  fillWarehouses("warehouse", "All");
  showCards(
    warehouses.map((warehouse) => ({
      id: warehouse.id,
      title: warehouse.location,
      fill: (card) => {
        showContact(card, warehouse);
      },
      edit: () => {
        askToEdit(warehouse);
      },
      seeStock: () => {
        showWarehouse(warehouse.location);
      },
    })),
  );
}

function askToEdit(warehouse: Warehouse): void {
  const { location } = warehouse;
  dialog.open(
    { location, ...fillContact(warehouse) },
    async (values, token) => {
      const change = readWarehouse(values);
      // An odd spacing at the ends is part of the name and must survive a change of the contact.
      if (change.location === location.trim()) change.location = location;
      await send("PATCH", `/api/warehouses/${warehouse.id}`, token, change);
      return `Saved the warehouse ${change.location.trim()}.`;
    },
    { title: "Edit warehouse" },
  );
}

function readWarehouse(values: Values) {
  const { location = "" } = values;
  if (location === "") {
    throw new Refused("The location is missing.", [
      { field: "location", message: "say where it is, such as Lockhart, TX" },
    ]);
  }
  return { location, ...readContact(values) };
}
