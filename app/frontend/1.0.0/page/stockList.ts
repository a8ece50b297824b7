import { fetchItems, type Item, type ItemPage, Unreachable } from "./api";
import { askToAdd, askToCount, askToMove, askToRemove } from "./itemDialogs";
import { byId, replaceChildren, setText, within } from "./elements";
import { formatQuantity } from "./format";
import { showReachable, showUnreachable } from "./reachability";
import { type Action, StockRow } from "./stockRow";

const pageSize = 50;
/** The most the service gives at once. */
const mostAtOnce = 200;
/** What the list begins with: what was added last is what people look for. */
const newestFirst = "-dateAdded";
const typingMs = 200;

const table = byId("items", HTMLTableElement);
const body = within(table, "tbody", HTMLElement);
const filters = byId("filters", HTMLFormElement);
const search = byId("q", HTMLInputElement);
const warehouse = byId("warehouse", HTMLSelectElement);
const sort = byId("sort", HTMLSelectElement);
const more = byId("more", HTMLButtonElement);
const empty = byId("empty", HTMLElement);
const loading = byId("loading", HTMLElement);

const rows = new Map<number, StockRow>();
let shown: Item[] = [];
let nextCursor: string | null = null;
let current = new AbortController();

export function startStockList(): void {
  let typing: ReturnType<typeof setTimeout> | undefined;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => void reload(), typingMs);
  });
  for (const select of [warehouse, sort]) select.addEventListener("change", () => void reload());
  filters.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    void reload();
  });
  byId("clear-filters", HTMLButtonElement).addEventListener("click", () => {
    filters.reset();
    search.focus();
    void reload();
  });
  more.addEventListener("click", () => void showMore());
  byId("add-item", HTMLButtonElement).addEventListener("click", () => {
    askToAdd(warehouse.value, refresh);
  });
}

/** Shows what one warehouse has, as if a person had chosen it. */
export function showWarehouse(location: string): void {
  filters.reset();
  warehouse.value = location;
  void reload();
}

/** Reads the list from its beginning, for other filters or after an interruption. */
export async function reload(): Promise<void> {
  writeAddress();
  loading.hidden = shown.length > 0;
  await load(pageSize, undefined, (page) => {
    show(page.items, page.nextCursor);
  });
}

/** Reads again what is shown, after a change. */
export async function refresh(): Promise<void> {
  await load(Math.max(shown.length, pageSize), undefined, (page) => {
    show(page.items, page.nextCursor);
  });
}

async function showMore(): Promise<void> {
  if (nextCursor === null) return;
  await load(pageSize, nextCursor, (page) => {
    show([...shown, ...page.items], page.nextCursor);
    const [firstNew] = page.items;
    const row = firstNew === undefined ? undefined : rows.get(firstNew.id);
    if (row !== undefined) within(row.element, "button", HTMLButtonElement).focus();
  });
}

/** Asks for items after a cursor; a later call takes the place of one that is still under way. */
async function load(
  count: number,
  after: string | undefined,
  use: (page: ItemPage) => void,
): Promise<void> {
  current.abort();
  const { signal } = (current = new AbortController());
  table.setAttribute("aria-busy", "true");
  try {
    const page = await fetchUpTo(count, after, signal);
    showReachable();
    use(page);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Unreachable)) throw error;
    showUnreachable(shown.length > 0);
  }
  table.setAttribute("aria-busy", "false");
  loading.hidden = true;
}

async function fetchUpTo(
  count: number,
  after: string | undefined,
  signal: AbortSignal,
): Promise<ItemPage> {
  const chosen = { q: search.value.trim(), warehouse: warehouse.value, sort: sort.value };
  const items: Item[] = [];
  let cursor = after ?? null;
  do {
    const limit = Math.min(count - items.length, mostAtOnce);
    const page = await fetchItems({ ...chosen, limit, ...(cursor !== null && { cursor }) }, signal);
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null && items.length < count);
  return { items, nextCursor: cursor };
}

function show(items: Item[], cursor: string | null): void {
  shown = items;
  nextCursor = cursor;
  const wanted = new Set(items.map(({ id }) => id));
  for (const id of rows.keys()) if (!wanted.has(id)) rows.delete(id);
  replaceChildren(
    body,
    items.map((item) => rowOf(item).element),
  );
  more.hidden = cursor === null;
  empty.hidden = items.length > 0;
  table.hidden = items.length === 0;
  byId("shown", HTMLElement).textContent = items.length === 0 ? "Nothing found." : countWords();
  const isFiltered = search.value.trim() !== "" || warehouse.value !== "";
  byId("clear-filters", HTMLButtonElement).hidden = !isFiltered;
  setText(empty, "p", isFiltered ? emptyWords() : "There is no stock in the book yet.");
}

function rowOf(item: Item): StockRow {
  const known = rows.get(item.id);
  if (known !== undefined) {
    known.show(item);
    return known;
  }
  const row = new StockRow(item, act);
  rows.set(item.id, row);
  return row;
}

function act(action: Action, current: () => Item): void {
  const ask = { count: askToCount, move: askToMove, remove: askToRemove }[action];
  ask(current, refresh);
}

function countWords(): string {
  const things = shown.length === 1 ? "1 item" : `${formatQuantity(shown.length)} items`;
  return nextCursor === null ? `${things}, that is all.` : `The first ${things}.`;
}

function emptyWords(): string {
  const named = search.value.trim() === "" ? "Nothing" : `Nothing named “${search.value.trim()}”`;
  return `${named} in ${warehouse.value === "" ? "any warehouse" : warehouse.value}.`;
}

/** Keeps the filters in the address, so that reloading or sharing it shows the same. */
function writeAddress(): void {
  const query = new URLSearchParams();
  for (const field of [search, warehouse, sort]) {
    if (field.value !== "" && field.value !== newestFirst) query.set(field.name, field.value);
  }
  const text = query.size === 0 ? "" : `?${query.toString()}`;
  history.replaceState(null, "", `${location.pathname}${text}${location.hash}`);
}

/** Sets the filters as the address says; the warehouses must be there to choose from. */
export function readAddress(): void {
  const query = new URLSearchParams(location.search);
  search.value = query.get("q") ?? "";
  for (const select of [warehouse, sort]) {
    const value = query.get(select.name) ?? "";
    if ([...select.options].some((option) => option.value === value && value !== "")) {
      select.value = value;
    }
  }
}
