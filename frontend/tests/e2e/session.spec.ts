import type { Page } from "@playwright/test";
import { expect, expectAccessible, people, signInWith, test } from "./support";

test("a page without a session leads to the sign-in and back again", async ({ watched }) => {
  await watched.goto("/usage?from=mail");
  await expect(watched).toHaveURL(/\/login\?next=%2Fusage%3Ffrom%3Dmail$/);
  await expectAccessible(watched);
  const { email, password } = people.demo();
  await watched.getByLabel("Email").fill(email);
  await watched.getByLabel("Password").fill(password);
  await watched.getByRole("button", { name: "Sign in" }).click();
  await expect(watched).toHaveURL(/\/usage\?from=mail$/);
  await expect(watched.getByRole("heading", { level: 1 })).toHaveText("Usage");
});

test("a wrong password is refused in words, and the email stays", async ({ watched }) => {
  await watched.goto("/login");
  await watched.getByLabel("Email").fill("demo@example.com");
  await watched.getByLabel("Password").fill("not-the-password");
  await watched.getByRole("button", { name: "Sign in" }).click();
  await expect(watched.getByRole("alert").first()).toHaveText("Email or password is not right.");
  await expect(watched.getByLabel("Email")).toHaveValue("demo@example.com");
});

test("the session is out of reach of scripts and gone after signing out", async ({ watched }) => {
  await signInWith(watched, people.demo());
  const cookies = await watched.context().cookies();
  const session = cookies.filter((each) => each.name.startsWith("session"));
  expect(session.length).toBeGreaterThan(0);
  expect(session.every((each) => each.httpOnly && each.sameSite === "Lax")).toBe(true);
  const readable = await watched.evaluate(() => document.cookie + JSON.stringify(localStorage));
  expect(readable).not.toContain("eyJ");

  await watched.getByRole("button", { name: /^Menu of/ }).click();
  await watched.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(watched).toHaveURL(/\/login$/);
  await watched.goto("/usage");
  await expect(watched).toHaveURL(/\/login/);
});

test.describe("without a session", () => {
  test.use({ expectedStatuses: [401] });

  test("the API answers 401 as a problem", async ({ watched }) => {
    await watched.goto("/login");
    const answer = await watched.evaluate(async () => {
      const response = await fetch("/api/v1/me");
      return { status: response.status, code: (await response.json()).code };
    });
    expect(answer).toEqual({ status: 401, code: "unauthenticated" });
  });
});

test("a change that another site sends is refused", async ({ request }) => {
  const answer = await request.post("/api/v1/jobs", {
    headers: { "sec-fetch-site": "cross-site" },
    data: {},
  });
  expect(answer.status()).toBe(403);
});

/** Follow the newest message's link: the identity leads back to the callback of this site. */
async function openNewestLink(page: Page, email: string): Promise<void> {
  const outbox = await page.getByRole("link", { name: "open its outbox" }).getAttribute("href");
  const messages = await page.request.get(outbox ?? "", {
    headers: { accept: "application/json" },
  });
  const { items } = await messages.json();
  const { link } = items.find((each: { email: string }) => each.email === email);
  const answer = await page.request.get(link, { maxRedirects: 0 });
  await page.goto(answer.headers().location ?? "");
}

test("a forgotten password is replaced by the link of a message", async ({ watched }) => {
  const email = `lost.${Date.now()}@example.com`;
  await watched.goto("/signup");
  await watched.getByLabel("Email").fill(email);
  await watched.getByLabel("Password").fill("the-first-password");
  await watched.getByRole("button", { name: "Create account" }).click();
  await watched.waitForURL("**/jobs");
  await watched.context().clearCookies();

  await watched.goto("/login");
  await watched.getByRole("link", { name: "Forgot your password?" }).click();
  await watched.waitForURL("**/reset");
  await expectAccessible(watched);
  await watched.getByLabel("Email").fill(email);
  await watched.getByRole("button", { name: "Send the link" }).click();
  await openNewestLink(watched, email);
  await expect(watched).toHaveURL(/\/settings$/);
  await watched.getByLabel("New password").fill("the-second-password");
  await watched.getByLabel("The same again").fill("the-second-password");
  await watched.getByRole("button", { name: "Change password" }).click();
  await expect(watched.getByText("The password was changed.")).toBeVisible();
  await watched.context().clearCookies();
  await signInWith(watched, { email, password: "the-second-password" });
});

test("a link of a message signs in, in the browser that asked for it only", async ({
  watched,
  browser,
  baseURL,
}) => {
  const { email } = people.demo();
  await watched.goto("/link");
  await watched.getByLabel("Email").fill(email);
  await watched.getByRole("button", { name: "Send the link" }).click();
  await expect(watched.getByText(`If ${email} has an account`, { exact: false })).toBeVisible();
  await expectAccessible(watched);
  const other = await browser.newContext({ baseURL });
  const visitor = await other.newPage();
  await visitor.goto("/auth/callback?code=stolen");
  await expect(visitor.getByRole("alert").first()).toContainText("not valid any more");
  await other.close();
  await openNewestLink(watched, email);
  await expect(watched).toHaveURL(/\/jobs$/);
});
