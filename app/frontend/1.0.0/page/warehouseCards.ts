import { byId, fromTemplate, replaceChildren, setText, within } from "./elements";

const list = byId("warehouse-list", HTMLElement);
const cards = new Map<number, HTMLElement>();

/** What a card of a warehouse says of it, and what its buttons do. */
export interface CardContent {
  readonly id: number;
  readonly title: string;
  readonly fill: (card: HTMLElement) => void;
  readonly edit: () => void;
  readonly seeStock: () => void;
}

/** Shows the warehouses; a card lives as long as its warehouse is shown, so that it keeps the focus. */
export function showCards(contents: readonly CardContent[]): void {
  replaceChildren(list, contents.map(showCard));
}

function showCard({ id, title, fill, edit, seeStock }: CardContent): HTMLElement {
  const card = cards.get(id) ?? fromTemplate("warehouse-card");
  cards.set(id, card);
  setText(card, "h2", title);
  fill(card);
  const editing = within(card, ".edit", HTMLButtonElement);
  editing.setAttribute("aria-label", `Edit ${title}`);
  editing.onclick = edit;
  const seeing = within(card, ".see-stock", HTMLAnchorElement);
  seeing.setAttribute("aria-label", `See stock in ${title}`);
  seeing.onclick = seeStock;
  return card;
}
