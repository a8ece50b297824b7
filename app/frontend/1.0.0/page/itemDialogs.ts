import { type Item, Refused, send } from "./api";
import { DialogForm, type Values } from "./dialogForm";
import { announce } from "./elements";
import { formatQuantity, parsePrice, parseQuantity } from "./format";
import { fillWarehouses } from "./warehouseChoices";

const addDialog = new DialogForm("add-item-dialog");
const countDialog = new DialogForm("count-dialog");
const moveDialog = new DialogForm("move-dialog");
const removeDialog = new DialogForm("remove-dialog");

/**
 * @param warehouse the one to offer first, or ""
 * @param onSaved what to do when the item is there
 */
export function askToAdd(warehouse: string, onSaved: () => Promise<void>): void {
  fillWarehouses("add-warehouse-name", "Choose a warehouse");
  addDialog.open({ warehouse }, async (values, token) => {
    const { name = "", warehouse: place = "" } = values;
    const quantity = parseQuantity(values.quantity ?? "");
    const unitPrice = parsePrice(values.unitPrice ?? "");
    refuse({
      name: name === "" && "give the item a name",
      warehouse: place === "" && "choose a warehouse",
      quantity: quantity === undefined && "give a whole number, such as 12",
      unitPrice: unitPrice === undefined && "give an amount, such as 12.50",
    });
    await send("POST", "/api/inventory", token, { name, quantity, unitPrice, warehouse: place });
    await onSaved();
    announce(`Added ${name} in ${place.trim()}.`);
  });
}

/** @param current the item as the list shows it, also after the list was read again */
export function askToCount(current: () => Item, onSaved: () => Promise<void>): void {
  const item = current();
  const about = `${nameOf(item)}. The book says ${formatQuantity(item.quantity)}.`;
  const fill = { quantity: String(item.quantity) };
  const save = async (values: Values, token: string) => {
    const quantity = parseQuantity(values.quantity ?? "");
    refuse({ quantity: quantity === undefined && "give a whole number, such as 12" });
    const expected = current().quantity;
    const change = (quantity ?? 0) - expected;
    try {
      if (change !== 0) {
        await send("PATCH", `/api/inventory/${item.id}`, token, { change, expected });
      }
    } finally {
      // Refused or not: what the book says now is what the next attempt starts from.
      await onSaved();
    }
    announce(`${nameOf(item)}: ${formatQuantity(quantity ?? 0)}.`);
  };
  countDialog.open(fill, save, { about });
}

export function askToMove(current: () => Item, onSaved: () => Promise<void>): void {
  const item = current();
  fillWarehouses("move-to", "Choose a warehouse", item.warehouse);
  const about = `${item.name} from ${item.warehouse.trim()}, which has ${formatQuantity(item.quantity)}.`;
  const save = async (values: Values, token: string) => {
    const { to = "" } = values;
    const quantity = parseQuantity(values.quantity ?? "");
    refuse({
      to: to === "" && "choose a warehouse",
      quantity:
        quantity === undefined || quantity === 0
          ? "give a whole number, such as 12"
          : quantity > item.quantity && `there are only ${formatQuantity(item.quantity)}`,
    });
    await send("POST", `/api/inventory/${item.id}/move`, token, { to, quantity });
    await onSaved();
    announce(
      `Moved ${formatQuantity(quantity ?? 0)} of ${item.name} from ${item.warehouse.trim()} to ${to.trim()}.`,
    );
  };
  moveDialog.open({}, save, { about });
}

export function askToRemove(current: () => Item, onSaved: () => Promise<void>): void {
  const item = current();
  const about = `${nameOf(item)} is out of stock and leaves the book.`;
  const save = async (_values: Values, token: string) => {
    await send("DELETE", `/api/inventory/${item.id}`, token);
    await onSaved();
    announce(`Removed ${nameOf(item)}.`);
  };
  removeDialog.open({}, save, { about });
}

function nameOf({ name, warehouse }: Item): string {
  return `${name} in ${warehouse.trim()}`;
}

/** Throws Refused with every field whose entry is a message. */
function refuse(mistakes: Record<string, string | false>): void {
  const errors = Object.entries(mistakes).flatMap(([field, message]) =>
    message === false ? [] : [{ field, message }],
  );
  if (errors.length > 0) throw new Refused("Some fields need another look.", errors);
}
