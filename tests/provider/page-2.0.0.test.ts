import { strict as assert } from "node:assert";
import type { BrowserContextOptions, Page } from "playwright-core";
import {
  contractDatabase,
  prepareDatabase,
  type Running,
  startBackend,
  startFrontend,
  useBookkeeper,
} from "../bookkeeper";
import {
  assertFocus,
  hasFocus,
  namesIn,
  phone,
  screenshot,
  tabTo,
  useBrowser,
  waitForToast,
} from "../browser";
import { useDatabase } from "../postgres";

describe("the page of release 2.0.0, in a real browser", function () {
  this.timeout(90_000);
  const database = useDatabase();
  useBookkeeper();
  let environment: Record<string, string>;
  let backend: Running;
  let frontend: Running;
  const browser = useBrowser();

  beforeEach(async () => {
    environment = await prepareDatabase(database, 500, "2.0.0");
    backend = await startBackend(environment, "2.0.0");
    frontend = await startFrontend(backend.url, {}, "2.0.0");
  });

  const open = (options: BrowserContextOptions = {}): Promise<Page> =>
    browser.open(frontend.url, options);
  const places = async (page: Page) =>
    [...new Set(await page.locator(".item .place").allTextContents())].sort();
  const choices = (page: Page, select: string) =>
    page.locator(`${select} option`).allTextContents();
  const settled = (page: Page) => page.locator('#items[aria-busy="false"]').waitFor();
  const goTo = (page: Page, section: string) => page.locator("nav a", { hasText: section }).click();

  it("filters by state and then by city, with the keyboard alone, and keeps it on reload", async () => {
    const page = await open();
    await screenshot(page, "2.0.0-desktop");
    await tabTo(page, "#state");
    await page.keyboard.type("GA");
    await page.locator("#city option", { hasText: "Savannah" }).waitFor({ state: "attached" });
    assert.deepEqual(await choices(page, "#city"), [
      "All",
      "Athens",
      "Atlanta",
      "Boston",
      "Columbus",
      "Decatur",
      "Macon",
      "Savannah",
    ]);
    await tabTo(page, "#city");
    await page.keyboard.type("Bos");
    await page.locator("#shown", { hasText: "that is all" }).waitFor();
    await settled(page);
    assert.deepEqual(await places(page), ["Boston, GA"]);
    assert.match(page.url(), /\?state=GA&city=Boston$/);
    await screenshot(page, "2.0.0-filtered");
    await page.reload();
    await page.locator("#shown", { hasText: "that is all" }).waitFor();
    assert.deepEqual(await places(page), ["Boston, GA"]);
    assert.equal(await page.locator("#warehouse-field").isVisible(), false);
    assert.deepEqual(browser.complaints, []);
  });

  it("tells cities of one name apart by their state, and warehouses of one address by number", async () => {
    const page = await open();
    const bostons = (await choices(page, "#city")).filter((text) => text.startsWith("Boston"));
    assert.deepEqual(bostons, ["Boston, GA", "Boston, MA"]);
    await page.locator("#city").selectOption({ label: "Boston, MA" });
    await settled(page);
    await page.locator("#shown", { hasText: "that is all" }).waitFor();
    assert.equal(await page.locator("#state").inputValue(), "MA");
    assert.deepEqual(await places(page), ["Boston, MA"]);

    await page.locator("#state").selectOption("MO");
    await settled(page);
    await page.locator("#city").selectOption({ label: "St. Louis (2)" });
    await settled(page);
    assert.deepEqual(await choices(page, "#warehouse"), [
      "All",
      "#3 Nolan Quarles",
      "#13 Kendra Lockhart",
    ]);
    await page.locator("#warehouse").selectOption({ label: "#13 Kendra Lockhart" });
    await settled(page);
    await page.locator("#shown", { hasText: "that is all" }).waitFor();
    assert.deepEqual(await places(page), ["St. Louis, MO #13"]);
    await screenshot(page, "2.0.0-apart");
    await goTo(page, "Warehouses");
    await page.getByRole("heading", { name: "St. Louis, MO #3", exact: true }).waitFor();
    await page.getByRole("link", { name: "See stock in Boston, GA" }).click();
    await settled(page);
    await page.locator("#shown", { hasText: "that is all" }).waitFor();
    assert.deepEqual(await places(page), ["Boston, GA"]);
    assert.deepEqual(browser.complaints, []);
  });

  it("adds, moves and counts in the warehouse that was chosen", async () => {
    const page = await open();
    await page.locator("#city").selectOption({ label: "Boston, GA" });
    await settled(page);
    await page.locator("#add-item").click();
    assert.equal(
      await page.locator("#add-warehouse-name option:checked").textContent(),
      "Boston, GA",
    );
    await page.locator("#add-name").fill("Smoked quail");
    await page.locator("#add-quantity").fill("12");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Added Smoked quail in Boston, GA.");
    await page.locator("#q").fill("smoked quail");
    await page.locator("#shown", { hasText: "1 item, that is all." }).waitFor();
    await page.locator(".item .move").click();
    const targets = await choices(page, "#move-to");
    assert.ok(targets.includes("Boston, MA") && !targets.includes("Boston, GA"));
    await page.locator("#move-to").selectOption({ label: "St. Louis, MO #13" });
    await page.locator("#move-quantity").fill("5");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Moved 5 of Smoked quail from Boston, GA to St. Louis, MO #13.");
    await page.locator(".item .count").click();
    await page.locator("#count-quantity").fill("8");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Smoked quail in Boston, GA: 8.");
    assert.deepEqual(
      await database.query(
        "SELECT warehouse_name, quantity FROM inventory WHERE name = 'Smoked quail' ORDER BY id",
      ),
      [
        { warehouse_name: "Boston , GA", quantity: 8 },
        { warehouse_name: "St. Louis , MO", quantity: 5 },
      ],
    );
    await page.locator("#state").selectOption("OK");
    await page.locator("#empty", { hasText: "Nothing named “smoked quail” in OK." }).waitFor();
    await page.locator("#clear-filters").click();
    await page.locator(".item").first().waitFor();
    await assertFocus(page, "#q");
    assert.ok((await choices(page, "#city")).includes("Boston, GA"));
  });

  it("moves a warehouse to another state, and says next to the field what is wrong", async () => {
    const page = await open();
    await goTo(page, "Warehouses");
    await screenshot(page, "2.0.0-warehouses");
    await page.getByRole("button", { name: "Edit Austin" }).click();
    await page.locator("#edit-city").fill("");
    await page.locator("#edit-state").fill("T");
    await page.keyboard.press("Enter");
    assert.deepEqual(await page.locator("#warehouse-dialog .error").allTextContents(), [
      "Say where it is, such as Lockhart.",
      "Give two letters, such as TX, or nothing.",
      "",
      "",
      "",
    ]);
    assert.ok(await hasFocus(page, "#edit-city"));
    await screenshot(page, "2.0.0-errors");
    await page.locator("#edit-state").fill("");
    for (const [city, error] of [
      ["Austin, TX", "Must not hold the state, which is a field of its own."],
      ["Nashville", "Has a warehouse already."],
    ] as const) {
      await page.locator("#edit-city").fill(city);
      await page.keyboard.press("Enter");
      await page.locator("#edit-city-error", { hasText: error }).waitFor();
    }
    await page.locator("#edit-city").fill("Austin");
    await page.locator("#edit-state").fill("tx");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Saved the warehouse Austin, TX.");
    await assertFocus(page, '[aria-label="Edit Austin, TX"]');
    assert.deepEqual(
      browser.complaints.filter((text) => !/status of (400|409)/.test(text)),
      [],
    );
  });

  it("fits a phone 360 pixels wide, dark too, with targets that a thumb can hit", async () => {
    const page = await open({ ...phone, colorScheme: "dark" });
    await screenshot(page, "2.0.0-phone");
    const overflows = () => page.evaluate("document.documentElement.scrollWidth > 360");
    assert.equal(await overflows(), false);
    await page.locator("#city").selectOption({ label: "St. Louis, MO (2)" });
    await page.locator("#warehouse").waitFor();
    await settled(page);
    await screenshot(page, "2.0.0-phone-filtered");
    const small = await page
      .locator("button:visible, select:visible, input:visible")
      .evaluateAll(
        (targets) =>
          targets.filter(
            (target) => (target as unknown as { offsetHeight: number }).offsetHeight < 44,
          ).length,
      );
    assert.equal(small, 0);
    assert.equal(await overflows(), false);
    await goTo(page, "Warehouses");
    await page.getByRole("button", { name: "Edit Boston, GA" }).tap();
    await page.locator("#warehouse-dialog").waitFor();
    await screenshot(page, "2.0.0-phone-dialog");
    assert.equal(await overflows(), false);
  });

  it("is told to reload when it is of the earlier release and that has ended", async () => {
    const earlier = await startFrontend(backend.url);
    const page = await browser.open(earlier.url);
    await contractDatabase(database);
    await page.locator("#q").fill("brisket");
    await page.locator("#offline", { hasText: "This page is of release 1.0.0" }).waitFor();
    await screenshot(page, "1.0.0-ended");
    assert.equal((await namesIn(page)).length, 50);
    assert.equal(await page.locator("#retry").textContent(), "Reload");
  });

  it("is told to reload when the release before it is served again", async () => {
    const page = await open();
    const earlier = await startBackend(environment);
    await page.route("**/api/v2/**", async (route) => {
      const { pathname, search } = new URL(route.request().url());
      await route.fulfill({
        response: await route.fetch({ url: earlier.url + pathname + search }),
      });
    });
    await page.locator("#q").fill("brisket");
    await page
      .locator("#offline", { hasText: "Another release is served now than the one of this page." })
      .waitFor();
  });
});
