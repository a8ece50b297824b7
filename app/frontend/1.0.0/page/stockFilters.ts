import { byId } from "./elements";

/** What the list begins with: what was added last is what people look for. */
const newestFirst = "-dateAdded";
const typingMs = 200;

const form = byId("filters", HTMLFormElement);
const search = byId("q", HTMLInputElement);
const sort = byId("sort", HTMLSelectElement);

/** What every release's list is filtered and sorted by. */
export function commonWish(): { q: string; sort: string } {
  return { q: search.value.trim(), sort: sort.value };
}

/** @param onChange what to do after another search or order, or when everything was cleared */
export function startFilters(onChange: () => void): void {
  let typing: ReturnType<typeof setTimeout> | undefined;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(onChange, typingMs);
  });
  sort.addEventListener("change", onChange);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    onChange();
  });
  byId("clear-filters", HTMLButtonElement).addEventListener("click", () => {
    clearFilters();
    search.focus();
    onChange();
  });
}

export function clearFilters(): void {
  form.reset();
}

/**
 * Where nothing was found, in words; undefined when nothing is filtered.
 * @param place the warehouse that is chosen, in words, or ""
 */
export function filteredWords(place: string): string | undefined {
  const { q } = commonWish();
  if (q === "" && place === "") return undefined;
  const named = q === "" ? "Nothing" : `Nothing named “${q}”`;
  return `${named} in ${place === "" ? "any warehouse" : place}.`;
}

/** Keeps the filters in the address, so that reloading or sharing it shows the same. */
export function writeAddress(places: readonly HTMLSelectElement[]): void {
  const query = new URLSearchParams();
  for (const field of [search, ...places, sort]) {
    if (field.value !== "" && field.value !== newestFirst) query.set(field.name, field.value);
  }
  const text = query.size === 0 ? "" : `?${query.toString()}`;
  history.replaceState(null, "", `${location.pathname}${text}${location.hash}`);
}

/** Sets search and order as the address says. */
export function readAddress(): void {
  search.value = new URLSearchParams(location.search).get("q") ?? "";
  chooseFromAddress(sort);
}

/** Sets a select as the address says, if that is among its choices. */
export function chooseFromAddress(select: HTMLSelectElement): void {
  const value = new URLSearchParams(location.search).get(select.name) ?? "";
  if ([...select.options].some((option) => option.value === value && value !== "")) {
    select.value = value;
  }
}
