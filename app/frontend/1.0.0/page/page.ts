import { fetchMenu, Unreachable } from "./api";
import { byId } from "./elements";
import { showUnreachable, startReachability } from "./reachability";
import { readAddress, reload, startStockList } from "./stockList";
import { loadWarehouses, startWarehouseList } from "./warehouseList";

const sections = { stock: "Stock", warehouses: "Warehouses", menu: "Menu" };

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

async function loadMenu(): Promise<void> {
  const dishes = (await fetchMenu()).map(({ item }) => {
    const entry = document.createElement("li");
    entry.textContent = item;
    return entry;
  });
  byId("dishes", HTMLElement).replaceChildren(...dishes);
}

let hasReadAddress = false;

/** Loads everything; called again until it works when the service cannot be reached. */
async function loadAll(): Promise<void> {
  try {
    await loadWarehouses();
    if (!hasReadAddress) readAddress();
    hasReadAddress = true;
    await Promise.all([reload(), loadMenu()]);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    showUnreachable(false);
  }
}

startStockList();
startWarehouseList();
startReachability(() => void loadAll());
window.addEventListener("hashchange", showSection);
showSection();
void loadAll();
