import { expect, expectAccessible, test } from "./support";

const rows = "[role=row][data-id]";

test("a job from the form to its result, without loading the page again", async ({ signedIn }) => {
  await signedIn.goto("/jobs/new");
  await signedIn.getByRole("radio", { name: /^echo/ }).check({ force: true });
  await signedIn.getByRole("button", { name: "Run job" }).click();
  await expect(signedIn.getByLabel("message *")).toBeFocused();
  await expect(signedIn.getByLabel("message *")).toHaveAccessibleDescription("This is needed");
  await signedIn.getByLabel("message *").fill("from the form");
  await expectAccessible(signedIn);
  await signedIn.getByRole("button", { name: "Run job" }).click();
  await signedIn.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);
  await expect(signedIn.getByText("Done on attempt 1")).toBeVisible();
  await expect(signedIn.getByRole("tabpanel")).toContainText("from the form");
  await expect(signedIn.getByRole("option", { name: /Attempt 1/ })).toBeVisible();
  await expectAccessible(signedIn);
});

test("keys lead from the list to a job and back, and the list is as before", async ({
  signedIn,
}) => {
  await signedIn.goto("/jobs?q=status%3Acompleted");
  await signedIn.locator(rows).nth(1).waitFor();
  await expectAccessible(signedIn);
  await signedIn.keyboard.press("j");
  await signedIn.keyboard.press("j");
  await signedIn.keyboard.press("x");
  const second = signedIn.locator(rows).nth(1);
  const id = await second.getAttribute("data-id");
  await signedIn.keyboard.press("Enter");
  await signedIn.waitForURL(`**/jobs/${id}?q=status%3Acompleted`);
  await expect(signedIn.getByText(/^2 of /)).toBeVisible();
  await signedIn.keyboard.press("Escape");
  await signedIn.waitForURL("**/jobs?q=status%3Acompleted");
  await expect(second).toHaveAttribute("data-cursor", "true");
  await expect(second).toHaveAttribute("aria-selected", "true");
});

test("a mistake in the search is marked at its place", async ({ signedIn }) => {
  await signedIn.goto("/jobs");
  await signedIn.locator(rows).first().waitFor();
  await signedIn.keyboard.press("/");
  await signedIn.keyboard.type("colour:red");
  const field = signedIn.getByRole("textbox", { name: "Search jobs" });
  await expect(field).toHaveAccessibleDescription(/There is no key colour/);
  await expect(signedIn.locator("mark")).toHaveText("colour");
  await expectAccessible(signedIn);
});
