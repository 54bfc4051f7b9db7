import path from "node:path";
import type { Page } from "@playwright/test";
import { test } from "../e2e/support";

/** Pictures of every page, dark and light, on a desktop and a phone, for docs/screens. */

const FOLDER = process.env.SCREENS ?? path.join(import.meta.dirname, "../../../docs/screens");
const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

async function take(page: Page, name: string, open: () => Promise<void>): Promise<void> {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const theme of ["dark", "light"]) {
      await page.setViewportSize(viewport);
      const { origin } = new URL(page.url());
      await page.context().addCookies([{ name: "theme", value: theme, url: origin }]);
      await open();
      await page.getByLabel("Loading").first().waitFor({ state: "detached" });
      await page.waitForTimeout(1200);
      await page.screenshot({ path: path.join(FOLDER, `${name}-${size}-${theme}.png`) });
    }
  }
}

test("sign-in", async ({ watched }) => {
  await watched.goto("/login");
  await take(watched, "login", async () => {
    await watched.goto("/login");
  });
});

for (const name of ["jobs", "usage", "keys", "settings"]) {
  test(name, async ({ signedIn }) => {
    await signedIn.goto(`/${name}`);
    await take(signedIn, name, async () => {
      await signedIn.goto(`/${name}`);
      await signedIn.getByRole("heading", { level: 1 }).waitFor();
    });
  });
}

test("commands and keys", async ({ signedIn }) => {
  await signedIn.goto("/usage");
  await take(signedIn, "commands", async () => {
    await signedIn.goto("/usage");
    await signedIn.getByRole("heading", { level: 1 }).waitFor();
    await signedIn.waitForTimeout(500);
    await signedIn.keyboard.press("Control+k");
    await signedIn.getByRole("listbox").waitFor();
  });
});

for (const view of ["health", "deadLetters", "flags"]) {
  test(`operator ${view}`, async ({ operator }) => {
    await operator.goto("/operator");
    await take(operator, `operator-${view.toLowerCase()}`, async () => {
      await operator.goto(`/operator?view=${view}`);
      await operator.getByRole("heading", { level: 1 }).waitFor();
    });
  });
}
