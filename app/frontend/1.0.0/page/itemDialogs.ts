import { Refused, send } from "./calls";
import { DialogForm, type Save } from "./dialogForm";
import { byId } from "./elements";
import { formatQuantity, parsePrice, parseQuantity } from "./format";
import type { ShownItem } from "./shownItem";
import { fillWarehouses } from "./warehouseChoices";

/** How a release's API is told of a change. */
export interface InventoryApi {
  /** "/api/inventory" */
  readonly address: string;
  /** The fields of a new item that say where it is, for a warehouse's key. */
  readonly placeFields: (key: string) => object;
  /** The field of a move that says where to, for a warehouse's key. */
  readonly target: (key: string) => string | number;
}

/** The dialogs that change what the list shows. */
export class ItemDialogs {
  readonly #api: InventoryApi;
  readonly #refresh: () => Promise<void>;
  readonly #add: DialogForm;
  readonly #count: DialogForm;
  readonly #move: DialogForm;
  readonly #remove: DialogForm;

  /** @param refresh reads the list again, after a change */
  constructor(api: InventoryApi, refresh: () => Promise<void>) {
    this.#api = api;
    this.#refresh = refresh;
    this.#add = new DialogForm("add-item-dialog", refresh);
    this.#count = new DialogForm("count-dialog", refresh);
    this.#move = new DialogForm("move-dialog", refresh);
    this.#remove = new DialogForm("remove-dialog", refresh);
  }

  /** @param warehouse the key of the one to offer first, or "" */
  add(warehouse: string): void {
    fillWarehouses("add-warehouse-name", "Choose a warehouse");
    this.#add.open({ warehouse }, async (values, token) => {
      const { name = "", warehouse: key = "" } = values;
      const quantity = parseQuantity(values.quantity ?? "");
      const unitPrice = parsePrice(values.unitPrice ?? "");
      refuse({
        name: name === "" && "give the item a name",
        warehouse: key === "" && "choose a warehouse",
        quantity: quantity === undefined && "give a whole number, such as 12",
        unitPrice: unitPrice === undefined && "give an amount, such as 12.50",
      });
      const place = chosenText("add-warehouse-name");
      const body = { name, quantity, unitPrice, ...this.#api.placeFields(key) };
      await send("POST", this.#api.address, token, body);
      return `Added ${name} in ${place}.`;
    });
  }

  /** @param current the item as the list shows it, also after the list was read again */
  count(current: () => ShownItem): void {
    const item = current();
    const about = `${nameOf(item)}. The book says ${formatQuantity(item.quantity)}.`;
    const fill = { quantity: String(item.quantity) };
    const save: Save = async (values, token) => {
      const quantity = parseQuantity(values.quantity ?? "");
      refuse({ quantity: quantity === undefined && "give a whole number, such as 12" });
      const expected = current().quantity;
      const change = (quantity ?? 0) - expected;
      try {
        if (change !== 0) {
          await send("PATCH", `${this.#api.address}/${item.id}`, token, { change, expected });
        }
      } catch (error) {
        // What the book says now is what the next attempt starts from.
        await this.#refresh();
        throw error;
      }
      return `${nameOf(item)}: ${formatQuantity(quantity ?? 0)}.`;
    };
    this.#count.open(fill, save, { about });
  }

  move(current: () => ShownItem): void {
    const item = current();
    fillWarehouses("move-to", "Choose a warehouse", item.warehouseKey);
    const about = `${item.name} from ${item.warehouse.trim()}, which has ${formatQuantity(item.quantity)}.`;
    const save: Save = async (values, token) => {
      const { to = "" } = values;
      const quantity = parseQuantity(values.quantity ?? "");
      refuse({
        to: to === "" && "choose a warehouse",
        quantity:
          quantity === undefined || quantity === 0
            ? "give a whole number, such as 12"
            : quantity > item.quantity && `there are only ${formatQuantity(item.quantity)}`,
      });
      const place = chosenText("move-to");
      const body = { to: this.#api.target(to), quantity };
      await send("POST", `${this.#api.address}/${item.id}/move`, token, body);
      return `Moved ${formatQuantity(quantity ?? 0)} of ${item.name} from ${item.warehouse.trim()} to ${place}.`;
    };
    this.#move.open({}, save, { about });
  }

  remove(current: () => ShownItem): void {
    const item = current();
    const about = `${nameOf(item)} is out of stock and leaves the book.`;
    const save: Save = async (_values, token) => {
      await send("DELETE", `${this.#api.address}/${item.id}`, token);
      return `Removed ${nameOf(item)}.`;
    };
    this.#remove.open({}, save, { about });
  }
}

/** What people read of the choice that is made in a select. */
function chosenText(id: string): string {
  return byId(id, HTMLSelectElement).selectedOptions[0]?.label.trim() ?? "";
}

function nameOf({ name, warehouse }: ShownItem): string {
  return `${name} in ${warehouse.trim()}`;
}

/** Throws Refused with every field whose entry is a message. */
function refuse(mistakes: Record<string, string | false>): void {
  const errors = Object.entries(mistakes).flatMap(([field, message]) =>
    message === false ? [] : [{ field, message }],
  );
  if (errors.length > 0) throw new Refused("Some fields need another look.", errors);
}
