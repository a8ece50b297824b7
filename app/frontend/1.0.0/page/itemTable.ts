import type { Page } from "../../../backend/1.0.0/keysetPage";
import { type InventoryApi, ItemDialogs } from "./itemDialogs";
import { byId, replaceChildren, setText, within } from "./elements";
import { formatQuantity } from "./format";
import { showReachable, tellIfUnreachable } from "./reachability";
import type { ShownItem } from "./shownItem";
import { StockRow } from "./stockRow";

const pageSize = 50;
/** The most the service gives at once. */
const mostAtOnce = 200;

const table = byId("items", HTMLTableElement);
const body = within(table, "tbody", HTMLElement);
const more = byId("more", HTMLButtonElement);
const empty = byId("empty", HTMLElement);
const loading = byId("loading", HTMLElement);

/** What the list shows at the moment. */
export interface ListChoice {
  /** One page of what is chosen now; the choice is made anew for every call. */
  readonly fetchPage: (
    place: { limit: number; cursor?: string },
    signal: AbortSignal,
  ) => Promise<Page<ShownItem>>;
  /** Where nothing was found, in words; undefined when nothing is filtered. */
  readonly filteredWords: string | undefined;
}

/** The list of stock: pages of rows, and what is said when there are none. */
export class ItemTable {
  readonly #choose: () => ListChoice;
  readonly #dialogs: ItemDialogs;
  readonly #rows = new Map<number, StockRow>();
  #shown: ShownItem[] = [];
  #nextCursor: string | null = null;
  #current = new AbortController();

  constructor(api: InventoryApi, choose: () => ListChoice) {
    this.#choose = choose;
    this.#dialogs = new ItemDialogs(api, () => this.refresh());
    more.addEventListener("click", () => void this.#showMore());
  }

  /** @param warehouse the key of the one to offer first, or "" */
  askToAdd(warehouse: string): void {
    this.#dialogs.add(warehouse);
  }

  /** Reads the list from its beginning, for other filters or after an interruption. */
  async reload(): Promise<void> {
    loading.hidden = this.#shown.length > 0;
    await this.#load(pageSize, undefined, ({ items, nextCursor }) => {
      this.#show(items, nextCursor);
    });
  }

  /** Reads again what is shown, after a change. */
  async refresh(): Promise<void> {
    await this.#load(Math.max(this.#shown.length, pageSize), undefined, ({ items, nextCursor }) => {
      this.#show(items, nextCursor);
    });
  }

  async #showMore(): Promise<void> {
    if (this.#nextCursor === null) return;
    await this.#load(pageSize, this.#nextCursor, ({ items, nextCursor }) => {
      this.#show([...this.#shown, ...items], nextCursor);
      const [firstNew] = items;
      const row = firstNew === undefined ? undefined : this.#rows.get(firstNew.id);
      if (row !== undefined) within(row.element, "button", HTMLButtonElement).focus();
    });
  }

  /** Asks for items after a cursor; a later call takes the place of one that is still under way. */
  async #load(
    count: number,
    after: string | undefined,
    use: (page: Page<ShownItem>) => void,
  ): Promise<void> {
    this.#current.abort();
    const { signal } = (this.#current = new AbortController());
    table.setAttribute("aria-busy", "true");
    try {
      await tellIfUnreachable(this.#shown.length > 0, async () => {
        const page = await this.#fetchUpTo(count, after, signal);
        showReachable();
        use(page);
      });
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    table.setAttribute("aria-busy", "false");
    loading.hidden = true;
  }

  async #fetchUpTo(
    count: number,
    after: string | undefined,
    signal: AbortSignal,
  ): Promise<Page<ShownItem>> {
    const { fetchPage } = this.#choose();
    const items: ShownItem[] = [];
    let cursor = after ?? null;
    do {
      const limit = Math.min(count - items.length, mostAtOnce);
      const page = await fetchPage({ limit, ...(cursor !== null && { cursor }) }, signal);
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null && items.length < count);
    return { items, nextCursor: cursor };
  }

  #show(items: ShownItem[], cursor: string | null): void {
    this.#shown = items;
    this.#nextCursor = cursor;
    const wanted = new Set(items.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!wanted.has(id)) this.#rows.delete(id);
    replaceChildren(
      body,
      items.map((item) => this.#rowOf(item).element),
    );
    more.hidden = cursor === null;
    empty.hidden = items.length > 0;
    table.hidden = items.length === 0;
    byId("shown", HTMLElement).textContent =
      items.length === 0 ? "Nothing found." : countWords(items.length, cursor === null);
    const { filteredWords } = this.#choose();
    byId("clear-filters", HTMLButtonElement).hidden = filteredWords === undefined;
    setText(empty, "p", filteredWords ?? "There is no stock in the book yet.");
  }

  #rowOf(item: ShownItem): StockRow {
    const known = this.#rows.get(item.id);
    if (known !== undefined) {
      known.show(item);
      return known;
    }
    const row = new StockRow(item, (action, current) => {
      this.#dialogs[action](current);
    });
    this.#rows.set(item.id, row);
    return row;
  }
}

function countWords(count: number, isWhole: boolean): string {
  const things = count === 1 ? "1 item" : `${formatQuantity(count)} items`;
  return isWhole ? `${things}, that is all.` : `The first ${things}.`;
}
