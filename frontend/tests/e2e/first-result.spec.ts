import { expect, test } from "./support";

/** A new person gets from the sign-up to the first result by following what the pages offer. */
test("from the sign-up to the first result", async ({ watched }) => {
  const began = Date.now();
  await watched.goto("/signup");
  await watched.getByLabel("Name").fill("Ann Walker");
  await watched.getByLabel("Email").fill(`ann.${began}@example.com`);
  await watched.getByLabel("Password").fill(`walk-${began}-long-enough`);
  await watched.getByRole("button", { name: "Create account" }).click();
  await watched.waitForURL("**/jobs");
  await watched.keyboard.press("n");
  await watched.waitForURL("**/jobs/new");
  await watched.getByRole("radio", { name: /^echo/ }).check({ force: true });
  await watched.getByLabel("message *").fill("hello");
  await watched.getByRole("button", { name: "Run job" }).click();
  await expect(watched.getByRole("tabpanel")).toContainText("hello");
});
