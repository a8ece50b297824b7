import { strict as assert } from "node:assert";
import type { BrowserContextOptions, Page } from "playwright-core";
import {
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

describe("the page, in a real browser", function () {
  this.timeout(90_000);
  const database = useDatabase();
  useBookkeeper();
  let environment: Record<string, string>;
  let backend: Running;
  let frontend: Running;
  const browser = useBrowser();

  beforeEach(async () => {
    environment = await prepareDatabase(database, 500);
    backend = await startBackend(environment);
    frontend = await startFrontend(backend.url);
  });

  const open = (options: BrowserContextOptions = {}): Promise<Page> =>
    browser.open(frontend.url, options);

  it("adds, counts, moves and removes an item with the keyboard alone", async () => {
    const page = await open();
    await screenshot(page, "desktop");
    await tabTo(page, "#add-item");
    await page.keyboard.press("Enter");
    await page.keyboard.type("Smoked quail");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Omaha");
    await page.keyboard.press("Tab");
    await page.keyboard.type("12");
    await page.keyboard.press("Tab");
    await page.keyboard.type("$9.50");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Added Smoked quail in Omaha, NE.");
    await assertFocus(page, "#add-item");

    await page.locator("#q").focus();
    await page.keyboard.type("smoked qu");
    await page.locator("#shown", { hasText: "1 item, that is all." }).waitFor();
    assert.deepEqual(await namesIn(page), ["Smoked quail"]);
    await tabTo(page, ".count");
    await page.keyboard.press("Enter");
    await page.keyboard.type("10");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Smoked quail in Omaha, NE: 10.");
    await assertFocus(page, ".count");

    await tabTo(page, ".move");
    await page.keyboard.press("Enter");
    await page.keyboard.type("Boston, MA");
    await page.keyboard.press("Tab");
    await page.keyboard.type("10");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Moved 10 of Smoked quail from Omaha, NE to Boston, MA.");
    assert.deepEqual(
      await database.query(
        "SELECT warehouse_name, quantity, unit_price FROM inventory WHERE name = 'Smoked quail' ORDER BY id",
      ),
      [
        { warehouse_name: "Omaha, NE  ", quantity: 0, unit_price: "9.50" },
        { warehouse_name: "Boston, MA", quantity: 10, unit_price: "9.50" },
      ],
    );

    await tabTo(page, ".item.is-out .remove");
    await page.keyboard.press("Enter");
    await page.locator("#remove-dialog").waitFor();
    await tabTo(page, "#remove-dialog .primary");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Removed Smoked quail in Omaha, NE.");
    await page.locator("#shown", { hasText: "1 item, that is all." }).waitFor();
    await assertFocus(page, "#main");
    assert.deepEqual(browser.complaints, []);
  });

  it("says next to each field what is wrong, and gives the focus back on Escape", async () => {
    const page = await open();
    await page.locator("#add-item").focus();
    await page.keyboard.press("Enter");
    await page.locator("#add-quantity").fill("a dozen");
    await page.locator("#add-price").fill("12,50");
    await page.keyboard.press("Enter");
    assert.deepEqual(await page.locator("#add-item-dialog .error").allTextContents(), [
      "Give the item a name.",
      "Choose a warehouse.",
      "Give a whole number, such as 12.",
      "Give an amount, such as 12.50.",
    ]);
    assert.equal(await page.locator("#add-name").getAttribute("aria-invalid"), "true");
    assert.ok(await hasFocus(page, "#add-name"));
    await screenshot(page, "errors");
    await page.keyboard.press("Escape");
    await assertFocus(page, "#add-item");

    await page.locator("nav a", { hasText: "Warehouses" }).click();
    await page.locator("#add-warehouse").click();
    await page.locator("#edit-location").fill("Boston, MA");
    await page.locator("#edit-email").fill("nobody");
    await page.keyboard.press("Enter");
    await page.locator("#edit-email-error", { hasText: "Must be an e-mail address." }).waitFor();
    await page.locator("#edit-email").fill("");
    await page.keyboard.press("Enter");
    await page
      .locator("#edit-location-error", { hasText: "Is taken by another warehouse." })
      .waitFor();
    assert.deepEqual(
      browser.complaints.filter((text) => !/status of (400|409)/.test(text)),
      [],
    );
  });

  it("says when somebody else was faster, and keeps what was typed", async () => {
    const page = await open();
    await page.locator(".item .count").first().click();
    await database.query("UPDATE inventory SET quantity = quantity + 1");
    await page.locator("#count-quantity").fill("77");
    await page.keyboard.press("Enter");
    const message = page.locator("#count-dialog .form-error");
    await message.filter({ hasText: "Somebody else changed this item" }).waitFor();
    assert.equal(await page.locator("#count-quantity").inputValue(), "77");
    await page.keyboard.press("Enter");
    await waitForToast(page, ": 77.");
  });

  it("renames a warehouse whose name has odd spaces, and shows its stock", async () => {
    const page = await open();
    await page.locator("nav a", { hasText: "Warehouses" }).click();
    await screenshot(page, "warehouses");
    await page.getByRole("button", { name: "Edit   Tulsa, OK" }).click();
    await page.locator("#edit-contact").fill("Wanda Ito");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Saved the warehouse Tulsa, OK.");
    const query = "SELECT contact_name FROM warehouses WHERE location = '  Tulsa, OK'";
    assert.deepEqual(await database.query(query), [{ contact_name: "Wanda Ito" }]);
    await page.getByRole("link", { name: "See stock in   Tulsa, OK" }).click();
    await page.locator("#stock").waitFor();
    await page.locator("#shown", { hasText: "that is all" }).waitFor();
    const places = new Set(await page.locator(".item .place").allTextContents());
    assert.deepEqual([...places], ["  Tulsa, OK"]);
    await page.reload();
    await page.locator("#shown", { hasText: "that is all" }).waitFor();
    assert.equal(await page.locator("#warehouse").inputValue(), "  Tulsa, OK");
  });

  it("shows the section that is addressed, and stays there for any other address", async () => {
    const page = await open();
    const shownSections = () =>
      page.evaluate<string[]>(
        "Array.from(document.querySelectorAll('section:not([hidden])'), ({ id }) => id)",
      );
    await page.locator("nav a", { hasText: "Warehouses" }).click();
    await page.locator("#warehouses").waitFor();
    await page.locator(".skip").focus();
    await page.keyboard.press("Enter");
    await assertFocus(page, "#main");
    for (const hash of ["#main", "#constructor", "#"]) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      assert.deepEqual(await shownSections(), ["warehouses"], hash);
    }
    assert.equal(await page.title(), "Warehouses – BBQ Bookkeeper");
    await page.goto(`${frontend.url}/#constructor`);
    await page.reload();
    await page.locator(".item").first().waitFor();
    assert.deepEqual(await shownSections(), ["stock"]);
    assert.deepEqual(browser.complaints, []);
  });

  it("shows more on demand, and what is there when nothing is found", async () => {
    const page = await open({ colorScheme: "dark" });
    await screenshot(page, "dark");
    await page.locator("#more").click();
    await page.locator("#shown", { hasText: "The first 100 items." }).waitFor();
    assert.equal(await page.locator(".item").count(), 100);
    assert.ok(await hasFocus(page, ".item:nth-child(51) .count"));
    await page.locator("#q").fill("no such thing");
    await page
      .locator("#empty", { hasText: "Nothing named “no such thing” in any warehouse." })
      .waitFor();
    await page.locator("#clear-filters").click();
    await page.locator(".item").first().waitFor();
    await assertFocus(page, "#q");
    assert.deepEqual(browser.complaints, []);
  });

  it("says that it is offline, and recovers by itself without saving twice", async () => {
    const page = await open();
    await page.context().setOffline(true);
    await page.locator("#q").fill("brisket");
    await page
      .locator("#offline", { hasText: "You are offline. What you see may be out of date." })
      .waitFor();
    await screenshot(page, "offline");
    await page.context().setOffline(false);
    await page.locator("#offline").waitFor({ state: "hidden" });

    // The answer is lost on its way: the page asks again with the same key.
    let lost = 0;
    await page.route("**/api/inventory", async (route) => {
      await route.fetch();
      if (lost++ === 0) await route.abort();
      else await route.continue();
    });
    await page.locator("#add-item").click();
    await page.locator("#add-name").fill("Once only");
    await page.locator("#add-warehouse-name").selectOption("Boston , GA");
    await page.locator("#add-quantity").fill("1");
    await page.keyboard.press("Enter");
    await waitForToast(page, "Added Once only in Boston , GA.");
    assert.equal(lost, 2);
    assert.deepEqual(
      await database.query("SELECT count(*)::int FROM inventory WHERE name = 'Once only'"),
      [{ count: 1 }],
    );
  });

  it("keeps an unsaved change in its dialog while the backend is away", async () => {
    const page = await open();
    await page.locator(".item:not(.is-out) .move").first().click();
    await backend.stop();
    await page.locator("#move-to").selectOption("Austin");
    await page.locator("#move-quantity").fill("1");
    await page.keyboard.press("Enter");
    const message = page.locator("#move-dialog .form-error");
    await message
      .filter({ hasText: "This is not saved yet, because nobody answered. Please try again." })
      .waitFor({ timeout: 20_000 });
    assert.equal(await page.locator("#move-to").inputValue(), "Austin");
    backend = await startBackend({ ...environment, PORT: String(backend.port) });
    await page.keyboard.press("Enter");
    await waitForToast(page, "Moved 1 of");
  });

  it("keeps a dialog apart from the one that was closed while its change was under way", async () => {
    const page = await open();
    const answers: (() => void)[] = [];
    await page.route("**/api/inventory/*", async (route) => {
      await new Promise<void>((resolve) => answers.push(resolve));
      await route.continue();
    });
    const counts = page.locator(".item .count");
    const names = await namesIn(page);
    const underWay = async (count: number) => {
      while (answers.length < count) await page.waitForTimeout(20);
    };
    await counts.nth(0).click();
    await page.locator("#count-quantity").fill("100001");
    await page.keyboard.press("Enter");
    await underWay(1);
    await page.keyboard.press("Escape");
    await counts.nth(1).click();
    await page.locator("#count-quantity").fill("100002");
    answers[0]?.();
    await waitForToast(page, `${names[0] ?? ""} in `);
    assert.equal(await page.locator("#count-dialog").isVisible(), true);
    assert.equal(await page.locator("#count-quantity").inputValue(), "100002");

    await page.keyboard.press("Enter");
    await underWay(2);
    await page.keyboard.press("Escape");
    await counts.nth(2).click();
    await page.locator("#count-quantity").fill("100003");
    await page.keyboard.press("Enter");
    await underWay(3);
    await database.query("UPDATE inventory SET quantity = quantity + 1");
    const listed = page.waitForResponse("**/api/inventory?*");
    answers[1]?.();
    await listed;
    await page.locator('#items[aria-busy="false"]').waitFor();
    const button = page.locator("#count-dialog .primary");
    assert.equal(await page.locator("#count-dialog .form-error").textContent(), "");
    assert.equal(await button.getAttribute("aria-disabled"), "true");
    answers[2]?.();
    await page
      .locator("#count-dialog .form-error", { hasText: "Somebody else changed this item" })
      .waitFor();
    assert.equal(await button.getAttribute("aria-disabled"), null);
  });

  it("says that a warehouse is saved when only the list of them cannot be read again", async () => {
    const page = await open();
    await page.locator("nav a", { hasText: "Warehouses" }).click();
    await page.locator("#add-warehouse").click();
    await page.locator("#edit-location").fill("Luling, TX");
    let isAway = true;
    await page.route("**/api/warehouses", async (route) => {
      if (isAway && route.request().method() === "GET") await route.abort();
      else await route.continue();
    });
    await page.keyboard.press("Enter");
    await waitForToast(page, "Added the warehouse Luling, TX.");
    await page.locator("#warehouse-dialog").waitFor({ state: "hidden" });
    await page.locator("#offline", { hasText: "What you see may be out of date." }).waitFor();
    isAway = false;
    await page.getByRole("button", { name: "Edit Luling, TX" }).waitFor();
    await page.locator("#offline").waitFor({ state: "hidden" });
  });

  it("fits a phone 360 pixels wide, with targets that a thumb can hit", async () => {
    const page = await open(phone);
    await screenshot(page, "phone");
    const overflows = () => page.evaluate("document.documentElement.scrollWidth > 360");
    assert.equal(await overflows(), false);
    const small = await page
      .locator("button:visible, select:visible, input:visible")
      .evaluateAll(
        (targets) =>
          targets.filter(
            (target) => (target as unknown as { offsetHeight: number }).offsetHeight < 44,
          ).length,
      );
    assert.equal(small, 0);
    await page.locator("#q").fill("memorial");
    await page.locator("#shown", { hasText: "that is all" }).waitFor();
    assert.equal(await overflows(), false);
    await page.locator(".item .count").first().tap();
    await page.locator("#count-dialog").waitFor();
    await screenshot(page, "phone-dialog");
    assert.equal(await overflows(), false);
    await page.keyboard.press("Escape");
    await page.locator("nav a", { hasText: "Warehouses" }).tap();
    await page.locator("#warehouse-list li").first().waitFor();
    assert.equal(await overflows(), false);
  });
});
