import { fetchWarehouses, Refused, send, type Warehouse } from "./api";
import { DialogForm, type Values } from "./dialogForm";
import { announce, byId, fromTemplate, replaceChildren, setText, within } from "./elements";
import { refresh, showWarehouse } from "./stockList";
import { fillWarehouses, setWarehouses } from "./warehouseChoices";

const list = byId("warehouse-list", HTMLElement);
const dialog = new DialogForm("warehouse-dialog");
const cards = new Map<number, HTMLElement>();

export function startWarehouseList(): void {
  byId("add-warehouse", HTMLButtonElement).addEventListener("click", () => {
    dialog.open(
      {},
      async (values, token) => {
        await send("POST", "/api/warehouses", token, readWarehouse(values));
        await loadWarehouses();
        announce(`Added the warehouse ${values.location ?? ""}.`);
      },
      { title: "Add warehouse" },
    );
  });
}

/** Reads all warehouses into the list and into every select. */
export async function loadWarehouses(): Promise<void> {
  const warehouses = await fetchWarehouses();
  setWarehouses(warehouses);
  fillWarehouses("warehouse", "All");
  replaceChildren(list, warehouses.map(showCard));
}

function showCard(warehouse: Warehouse): HTMLElement {
  const card = cards.get(warehouse.id) ?? fromTemplate("warehouse-card");
  cards.set(warehouse.id, card);
  setText(card, "h2", warehouse.location);
  setText(card, ".contact-name", warehouse.contactName ?? "No contact");
  showLink(card, ".contact-email", "mailto:", warehouse.contactEmail);
  showLink(card, ".contact-phone", "tel:", warehouse.contactPhone);
  const edit = within(card, ".edit", HTMLButtonElement);
  edit.setAttribute("aria-label", `Edit ${warehouse.location}`);
  edit.onclick = () => {
    askToEdit(warehouse);
  };
  const seeStock = within(card, ".see-stock", HTMLAnchorElement);
  seeStock.setAttribute("aria-label", `See stock in ${warehouse.location}`);
  seeStock.onclick = () => {
    showWarehouse(warehouse.location);
  };
  return card;
}

function askToEdit(warehouse: Warehouse): void {
  const { location, contactName, contactEmail, contactPhone } = warehouse;
  dialog.open(
    {
      location,
      contactName: contactName ?? "",
      contactEmail: contactEmail ?? "",
      contactPhone: contactPhone ?? "",
    },
    async (values, token) => {
      const change = readWarehouse(values);
      // An odd spacing at the ends is part of the name and must survive a change of the contact.
      if (change.location === location.trim()) change.location = location;
      await send("PATCH", `/api/warehouses/${warehouse.id}`, token, change);
      await Promise.all([loadWarehouses(), refresh()]);
      announce(`Saved the warehouse ${change.location.trim()}.`);
    },
    { title: "Edit warehouse" },
  );
}

function readWarehouse(values: Values) {
  const { location = "", contactName = "", contactEmail = "", contactPhone = "" } = values;
  if (location === "") {
    throw new Refused("The location is missing.", [
      { field: "location", message: "say where it is, such as Lockhart, TX" },
    ]);
  }
  return {
    location,
    contactName: contactName === "" ? null : contactName,
    contactEmail: contactEmail === "" ? null : contactEmail,
    contactPhone: contactPhone === "" ? null : contactPhone,
  };
}

function showLink(card: HTMLElement, selector: string, scheme: string, text: string | null): void {
  const link = within(card, selector, HTMLAnchorElement);
  link.textContent = text ?? "";
  link.hidden = text === null;
  link.href = `${scheme}${text ?? ""}`;
}
