import { randomUUID } from "node:crypto";
import type { Page } from "@playwright/test";
import { expect, expectAccessible, test } from "./support";

/** Agent runs over the demo site, with the offline model: what they say stands in the pages. */

const SITE = process.env.SITE_URL ?? "";
// A run visits pages one after another, on a machine that does other things too.
const PATIENCE = { timeout: 180_000 };

test.slow();

/** Begin a run beside the page, as another program of the same user would. */
async function begin(page: Page, params: Record<string, unknown>): Promise<string> {
  return page.evaluate(
    async ({ body, key }) => {
      const response = await fetch("/api/v1/agents/workflows/research/runs", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": key },
        body: JSON.stringify(body),
      });
      return (await response.json()).id;
    },
    { body: params, key: randomUUID() },
  );
}

const read = (page: Page, id: string) =>
  page.evaluate(async (run) => (await fetch(`/api/v1/agents/runs/${run}`)).json(), id);

test("a run from the example to an answer whose every source is found word for word", async ({
  signedIn,
}) => {
  await signedIn.goto("/agents");
  await signedIn.getByRole("link", { name: "New run" }).first().click();
  await signedIn.getByRole("button", { name: "Use the example" }).click();
  await expect(signedIn.getByLabel("seeds *")).toHaveValue(`${SITE}/`);
  await expectAccessible(signedIn);
  await signedIn.getByRole("button", { name: "Start the run" }).click();
  await signedIn.waitForURL(/\/agents\/[0-9a-f-]{36}$/);
  await expect(signedIn.locator("[data-step]").first()).toBeVisible(PATIENCE);
  // What is loaded again in the middle of a run goes on with it.
  await signedIn.reload();
  const answer = signedIn.getByTestId("answer");
  await expect(answer).toBeVisible(PATIENCE);
  await expect(answer.getByRole("link", { name: "Source 1" })).toBeVisible();
  await expect(signedIn.getByText("Succeeded").first()).toBeVisible();
  await expectAccessible(signedIn);

  const run = await read(signedIn, signedIn.url().split("/").at(-1) ?? "");
  const count = run.citations.length;
  expect(count).toBeGreaterThan(0);
  await signedIn.getByRole("button", { name: "Verify all here" }).click();
  await expect(signedIn.getByText(`${count} of ${count} found word for word`)).toBeVisible();
  await signedIn.getByRole("button", { name: "Open source 1" }).click();
  const passage = signedIn.getByTestId("passage");
  await expect(passage.locator("mark")).toHaveText(run.citations[0].quote);
  await expectAccessible(signedIn);
  await signedIn.keyboard.press("Escape");
  // The pages that it read are jobs of its own.
  await signedIn.locator("[data-step] a[href^='/jobs/']").first().click();
  await signedIn.waitForURL(/\/jobs\/[0-9a-f-]{36}/);
});

test("a run at its ceiling gives what it has, and says why", async ({ signedIn }) => {
  await signedIn.goto("/settings");
  const question = "How is a light read?";
  const id = await begin(signedIn, { question, seeds: [`${SITE}/`], ceilings: { steps: 2 } });
  await signedIn.goto(`/agents/${id}`);
  await expect(signedIn.getByText("This is a part")).toBeVisible(PATIENCE);
  await expect(signedIn.getByText(/the ceiling of steps was reached/)).toBeVisible();
  const { ceilings } = await read(signedIn, id);
  expect(ceilings.steps.spent).toBeLessThanOrEqual(2);
});

test("runs are listed live, filtered in the address, and stopped", async ({ signedIn }) => {
  await signedIn.goto("/agents?type=research");
  const question = `Where does it stand? ${randomUUID()}`;
  // Slow enough to be stopped before it ends.
  const seeds = [1, 2, 3, 4, 5, 6].map((each) => `${SITE}/slow?ms=10000&page=${each}`);
  const id = await begin(signedIn, { question, seeds });
  const row = signedIn.locator(`[data-run="${id}"]`);
  await expect(row).toContainText(question, PATIENCE);
  await signedIn.getByLabel("Workflow").selectOption("monitor");
  await expect(row).toHaveCount(0);
  await expect(signedIn).toHaveURL(/type=monitor/);
  await signedIn.goto(`/agents/${id}`);
  await signedIn.getByRole("button", { name: "Stop" }).click();
  await signedIn.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
  await expect(signedIn.getByText("Cancelled").first()).toBeVisible(PATIENCE);
  await expectAccessible(signedIn);
});

test.describe("a run that does not exist", () => {
  test.use({ expectedStatuses: [404] });

  test("says so", async ({ signedIn }) => {
    await signedIn.goto(`/agents/${randomUUID()}`);
    await expect(signedIn.getByRole("alert").filter({ hasText: /\S/ })).toBeVisible();
    await expectAccessible(signedIn);
  });
});
