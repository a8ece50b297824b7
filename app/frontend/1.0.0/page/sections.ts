import type { Dish } from "../../../backend/1.0.0/menu";
import { Outdated, request, Unreachable } from "./calls";
import { byId } from "./elements";
import { showOutdated, showUnreachable, startReachability } from "./reachability";

const sections = { stock: "Stock", warehouses: "Warehouses", menu: "Menu" };

/** What a release's page loads. */
export interface PageContent {
  /** Where the menu is read. */
  readonly menuAddress: string;
  /** Loads what the filters offer; comes before `loadStock`. */
  readonly loadChoices: () => Promise<void>;
  /** Sets the filters as the address says; runs once, when there is something to choose from. */
  readonly readAddress: () => void;
  readonly loadStock: () => Promise<void>;
}

/** Shows the sections and loads what is in them, again until it works. */
export function startPage(content: PageContent): void {
  let hasReadAddress = false;
  async function loadAll(): Promise<void> {
    try {
      await content.loadChoices();
      if (!hasReadAddress) content.readAddress();
      hasReadAddress = true;
      await Promise.all([content.loadStock(), loadMenu(content.menuAddress)]);
    } catch (error) {
      if (error instanceof Outdated) showOutdated(error.message);
      else if (error instanceof Unreachable) showUnreachable(false);
      else throw error;
    }
  }
  startReachability(() => void loadAll());
  window.addEventListener("hashchange", showSection);
  showSection();
  void loadAll();
}

/** Shows the section that the address names, the stock if it names none. */
function showSection(): void {
  const wanted = location.hash.slice(1);
  const shown = wanted in sections ? (wanted as keyof typeof sections) : "stock";
  for (const name of Object.keys(sections)) byId(name, HTMLElement).hidden = name !== shown;
  for (const link of document.querySelectorAll<HTMLAnchorElement>("nav a")) {
    if (link.hash === `#${shown}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${sections[shown]} – BBQ Bookkeeper`;
}

async function loadMenu(address: string): Promise<void> {
  const { menu } = (await request(address)) as { menu: Dish[] };
  const dishes = menu.map(({ item }) => {
    const entry = document.createElement("li");
    entry.textContent = item;
    return entry;
  });
  byId("dishes", HTMLElement).replaceChildren(...dishes);
}
