/** A real browser for tests of the page: one with an empty profile a test, and what it complains of. */
import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync } from "node:fs";
import path from "node:path";
import {
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { scratchFolder } from "./bookkeeper";

const artifacts = path.join(__dirname, "../../tests/artifacts");
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface Browser {
  /** Opens the page at `url`, and waits for the first item of the list. */
  readonly open: (url: string, options?: BrowserContextOptions) => Promise<Page>;
  /** Errors and warnings of the page's console in this test. */
  readonly complaints: string[];
}

/** Hooks that close the browser after each test. */
export function useBrowser(): Browser {
  let browser: BrowserContext | undefined;
  const complaints: string[] = [];
  before(() => {
    mkdirSync(artifacts, { recursive: true });
  });
  afterEach(async () => {
    await browser?.close();
    browser = undefined;
    complaints.length = 0;
  });
  return {
    complaints,
    async open(url, options = {}) {
      browser = await chromium.launchPersistentContext(
        mkdtempSync(path.join(scratchFolder(), "chromium-")),
        {
          executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
          headless: true,
          args: flags,
          locale: "en-US",
          viewport: { width: 1280, height: 900 },
          ...options,
        },
      );
      const page = browser.pages()[0] ?? (await browser.newPage());
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.goto(url);
      await page.locator(".item").first().waitFor();
      return page;
    },
  };
}

/** What a phone's browser is like. */
export const phone: BrowserContextOptions = {
  viewport: { width: 360, height: 740 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
};

/** Keeps what the page looks like as page-<name>.png. */
export async function screenshot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: path.join(artifacts, `page-${name}.png`) });
}

/** The names in the list, as they stand there. */
export function namesIn(page: Page): Promise<string[]> {
  return page.locator(".item .name").allTextContents();
}

export async function waitForToast(page: Page, text: string): Promise<void> {
  await page.locator("#toast", { hasText: text }).waitFor({ timeout: 10_000 });
}

export function hasFocus(page: Page, selector: string): Promise<boolean> {
  return page.evaluate<boolean>(`document.activeElement.matches(${JSON.stringify(selector)})`);
}

export async function assertFocus(page: Page, selector: string): Promise<void> {
  await page.locator("dialog[open]").waitFor({ state: "hidden" });
  await page
    .waitForFunction(`document.activeElement.matches(${JSON.stringify(selector)})`, undefined, {
      timeout: 1_000,
    })
    .catch(async () => {
      const actual = await page.evaluate("document.activeElement.outerHTML.slice(0, 80)");
      assert.fail(`the focus is not on ${selector} but on ${String(actual)}`);
    });
}

/** Presses Tab until the element is focused, as a person without a mouse does. */
export async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 40; presses++) {
    if (await hasFocus(page, selector)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to ${selector}`);
}
