import { expect, expectAccessible, test } from "./support";

const PAGES = ["jobs", "agents", "agents/new", "usage", "billing", "keys", "settings"];

for (const theme of ["dark", "light"]) {
  for (const name of PAGES) {
    test(`${name} is accessible, ${theme}`, async ({ signedIn, baseURL }) => {
      await signedIn.context().addCookies([{ name: "theme", value: theme, url: baseURL ?? "" }]);
      await signedIn.goto(`/${name}`);
      await expect(signedIn.getByRole("heading", { level: 1 })).toBeVisible();
      await expect(signedIn.getByLabel("Loading")).toHaveCount(0);
      await expectAccessible(signedIn);
    });
  }
}

test("on a phone, the pages are at the foot and nothing is cut off", async ({ signedIn }) => {
  await signedIn.setViewportSize({ width: 390, height: 844 });
  for (const name of PAGES) {
    await signedIn.goto(`/${name}`);
    await expect(signedIn.getByRole("navigation", { name: "Main" })).toBeVisible();
    const overflow = await signedIn.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow, `${name} scrolls sideways`).toBe(0);
  }
  await expectAccessible(signedIn);
});

test("commands and keys lead everywhere", async ({ signedIn }) => {
  await signedIn.goto("/settings");
  await expect(signedIn.getByRole("contentinfo")).toContainText("commands");
  await signedIn.keyboard.press("Control+k");
  await signedIn.getByRole("combobox").fill("usa");
  await expectAccessible(signedIn);
  await signedIn.keyboard.press("Enter");
  await expect(signedIn).toHaveURL(/\/usage$/);
  await expect(signedIn.getByRole("heading", { level: 1 })).toHaveText("Usage");
  await signedIn.keyboard.type("gk");
  await expect(signedIn).toHaveURL(/\/keys$/);
  await signedIn.keyboard.press("?");
  await expect(signedIn.getByRole("dialog")).toContainText("go to usage");
});

test("one language a page: German follows the choice", async ({ signedIn }) => {
  await signedIn.goto("/settings");
  await signedIn.getByRole("button", { name: "Deutsch" }).click();
  await expect(signedIn.getByRole("heading", { level: 1 })).toHaveText("Einstellungen");
  await expect(signedIn.locator("html")).toHaveAttribute("lang", "de");
});

test("the operator's page is for operators", async ({ signedIn }) => {
  await signedIn.goto("/operator");
  await expect(signedIn.getByText("For operators only")).toBeVisible();
  await expect(signedIn.getByRole("link", { name: "Operator" })).toHaveCount(0);
});

for (const view of ["health", "deadLetters", "flags", "users", "audit"]) {
  test(`an operator sees ${view}`, async ({ operator }) => {
    await operator.goto(`/operator?view=${view}`);
    await expect(operator.getByLabel("Loading")).toHaveCount(0);
    await expect(operator.getByRole("alert").filter({ hasText: /\S/ })).toHaveCount(0);
    await expectAccessible(operator);
  });
}

test.describe("an address that does not exist", () => {
  test.use({ expectedStatuses: [404] });

  test("says so, with a way back", async ({ signedIn }) => {
    await signedIn.goto("/nothing-here");
    await expect(signedIn.getByText("Nothing is here")).toBeVisible();
    await signedIn.getByRole("link", { name: "To the jobs" }).click();
    await expect(signedIn).toHaveURL(/\/jobs$/);
  });
});

test("an operator bans a user and lets them in again, and both are in the audit log", async ({
  operator,
  browser,
  baseURL,
}) => {
  const email = `banned.${Date.now()}@example.com`;
  const other = await browser.newContext({ baseURL });
  const page = await other.newPage();
  await page.goto("/signup");
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill("a-password-of-its-own");
  await page.getByRole("button", { name: "Create account" }).click();
  await page.waitForURL("**/jobs");
  await page.close();
  const isServed = async () => (await other.request.get("/api/v1/me")).status() === 200;

  await operator.goto("/operator?view=users");
  await operator.getByLabel("Find by email").fill(email);
  for (const [action, expected] of [
    ["Ban", false],
    ["Let in again", true],
  ] as const) {
    await operator.getByRole("button", { name: `${action} ${email}` }).click();
    const dialog = operator.getByRole("dialog");
    await dialog.getByLabel("Why, for the audit log").fill(`${action} in a test`);
    await dialog.getByRole("button", { name: action, exact: true }).click();
    await expect(dialog).toHaveCount(0);
    await expect.poll(isServed).toBe(expected);
  }
  await other.close();
  await operator.goto("/operator?view=audit");
  await expect(operator.getByRole("row").filter({ hasText: "ban" }).first()).toBeVisible();
});

test("a user changes the name and the levels of the quota's notices", async ({ signedIn }) => {
  await signedIn.goto("/settings");
  const name = signedIn.getByLabel("Name");
  const chosen = (await name.inputValue()) === "Ann Walker" ? "Ann Baker" : "Ann Walker";
  await name.fill(chosen);
  await signedIn.getByRole("button", { name: "Save" }).click();
  await expect(signedIn.getByRole("button", { name: "Save" })).toBeDisabled();
  const half = signedIn.getByLabel("At 50 %");
  const before = await half.isChecked();
  await half.click();
  await expect(half).toBeChecked({ checked: !before });
  await signedIn.reload();
  await expect(name).toHaveValue(chosen);
  await expect(half).toBeChecked({ checked: !before });
});
