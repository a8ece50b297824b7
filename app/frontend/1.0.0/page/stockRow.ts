import { fromTemplate, setText, within } from "./elements";
import { formatDate, formatPrice, formatQuantity } from "./format";
import type { ShownItem } from "./shownItem";

export type Action = "count" | "move" | "remove";

/** One row of the list; it lives as long as its item is shown, so that it keeps the focus. */
export class StockRow {
  readonly element = fromTemplate("item-row");
  #item: ShownItem;

  constructor(item: ShownItem, onAction: (action: Action, current: () => ShownItem) => void) {
    this.#item = item;
    for (const action of ["count", "move", "remove"] as const) {
      within(this.element, `.${action}`, HTMLButtonElement).addEventListener("click", () => {
        onAction(action, () => this.#item);
      });
    }
    this.show(item);
  }

  show(item: ShownItem): void {
    this.#item = item;
    const isOut = item.quantity === 0;
    setText(this.element, ".name", item.name);
    setText(this.element, ".place", item.warehouse);
    setText(this.element, ".quantity", isOut ? "Out of stock" : formatQuantity(item.quantity));
    setText(this.element, ".price", formatPrice(item.unitPrice));
    setText(this.element, ".added", formatDate(item.dateAdded));
    this.element.classList.toggle("is-out", isOut);
    this.element.classList.toggle("has-no-price", item.unitPrice === null);
    within(this.element, ".move", HTMLButtonElement).hidden = isOut;
    within(this.element, ".remove", HTMLButtonElement).hidden = !isOut;
    for (const button of this.element.querySelectorAll("button")) {
      const label = `${button.textContent} ${item.name} in ${item.warehouse}`;
      button.setAttribute("aria-label", label);
    }
  }
}
