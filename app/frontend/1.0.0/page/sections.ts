import type { Dish } from "../../../backend/1.0.0/menu";
import { request } from "./calls";
import { byId } from "./elements";
import { startReachability, tellIfUnreachable } from "./reachability";

const sections = { stock: "Stock", warehouses: "Warehouses", menu: "Menu" };
type Section = keyof typeof sections;
let shown: Section = "stock";

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
  const loadAll = () =>
    tellIfUnreachable(false, async () => {
      await content.loadChoices();
      if (!hasReadAddress) content.readAddress();
      hasReadAddress = true;
      await Promise.all([content.loadStock(), loadMenu(content.menuAddress)]);
    });
  startReachability(() => void loadAll());
  window.addEventListener("hashchange", showSection);
  showSection();
  void loadAll();
}

/** Shows the section that the address names; an address within a section, as #main, leaves it shown. */
function showSection(): void {
  const wanted = location.hash.slice(1);
  if (isSection(wanted)) shown = wanted;
  for (const name of Object.keys(sections)) byId(name, HTMLElement).hidden = name !== shown;
  for (const link of document.querySelectorAll<HTMLAnchorElement>("nav a")) {
    if (link.hash === `#${shown}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${sections[shown]} – BBQ Bookkeeper`;
}

function isSection(name: string): name is Section {
  return Object.hasOwn(sections, name);
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
