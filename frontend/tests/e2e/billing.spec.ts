import { randomUUID } from "node:crypto";
import type { Page } from "@playwright/test";
import { StripeStandIn } from "./stripe";
import { expectAccessible, test as given, expect as soon } from "./support";

/** A user pays: out of jobs, through the checkout of the stand-in for Stripe, and out again. */

const LIMIT = 100;

/** Changes go to the provider and come back as webhooks. */
const expect = soon.configure({ timeout: 60_000 });
given.describe.configure({ timeout: 400_000 });

/** The pages of the payment provider are another site, whose requests this project does not make. */
const test = given.extend<{ buyer: Page }>({
  buyer: async ({ page, baseURL }, use) => {
    const { origin } = new URL(baseURL ?? "");
    const faults: string[] = [];
    page.on("console", (message) => {
      const isRefusal = message.text().includes("status of 402");
      if (message.type() === "error" && !isRefusal) faults.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => faults.push(`page: ${error.message}`));
    page.on("request", (request) => {
      const isOutside = new URL(request.url()).origin !== origin;
      const isOurs = new URL(page.url()).origin === origin;
      if (isOurs && isOutside && !request.isNavigationRequest()) {
        faults.push(`outside request: ${request.url()}`);
      }
    });
    await use(page);
    expect(faults).toEqual([]);
  },
});

async function signUp(page: Page): Promise<void> {
  await page.goto("/signup");
  await page.getByLabel("Email").fill(`buyer.${randomUUID()}@example.com`);
  await page.getByLabel("Password").fill(randomUUID());
  await page.getByRole("button", { name: "Create account" }).click();
  await page.waitForURL("**/jobs");
}

/** Sends jobs that wait, so that they hold their units; returns how many were accepted. */
function holdJobs(page: Page, count: number): Promise<number> {
  return page.evaluate(
    async ({ jobs, key }) => {
      const run_at = new Date(Date.now() + 3_600_000).toISOString();
      const job = { task_type: "echo", params: { message: "held" }, run_at };
      const response = await fetch("/api/v1/jobs/batch", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": key },
        body: JSON.stringify({ jobs: Array(jobs).fill(job) }),
      });
      const { items } = await response.json();
      return items.filter((each: { ok: boolean }) => each.ok).length;
    },
    { jobs: count, key: randomUUID() },
  );
}

async function submitOne(page: Page): Promise<void> {
  await page.goto("/jobs/new");
  await page.getByRole("radio", { name: /^echo/ }).check({ force: true });
  await page.getByLabel("message *").fill("one more");
  await page.getByRole("button", { name: "Run job" }).click();
}

const plans = (page: Page) => page.getByRole("region", { name: "Plans" });
const answers = (page: Page) => page.getByRole("region", { name: "Plan, needs you, cost" });

async function upgrade(page: Page, baseURL: string | undefined): Promise<void> {
  await plans(page).getByRole("button", { name: "Upgrade to Pro" }).click();
  await page.getByLabel("E-mail").fill("buyer@example.com");
  await page.getByRole("button", { name: /^Pay / }).click();
  await page.waitForURL(`${baseURL}/billing**`);
  await expect(answers(page)).toContainText("Renews on");
}

test("a user that is out of jobs upgrades, goes on, and cancels", async ({ buyer, baseURL }) => {
  await signUp(buyer);
  expect(await holdJobs(buyer, LIMIT)).toBe(LIMIT);

  await submitOne(buyer);
  await buyer.getByRole("link", { name: "Choose a larger plan" }).click();
  await expect(buyer).toHaveURL(/\/billing#plans$/);
  await expectAccessible(buyer);

  await upgrade(buyer, baseURL);
  await expect(plans(buyer).getByRole("button", { name: "Upgrade to Enterprise" })).toBeVisible();
  await expect(buyer).toHaveURL(/\/billing$/);
  await expectAccessible(buyer);

  // The new limit reaches jobs through the services: a refusal meanwhile holds nothing.
  await expect.poll(() => holdJobs(buyer, 1), { timeout: 60_000 }).toBe(1);
  await submitOne(buyer);
  await expect(buyer).toHaveURL(/\/jobs\/[0-9a-f-]{36}$/);

  await buyer.goto("/billing");
  await buyer.getByLabel("Amount in USD").fill("49.90");
  await buyer.getByRole("button", { name: "Set the limit" }).click();
  await expect(buyer.getByText("The limit is $49.90 a period.")).toBeVisible();
  await buyer.getByRole("button", { name: "Remove the limit" }).click();
  await expect(buyer.getByText("There is no limit.")).toBeVisible();

  await buyer.getByRole("button", { name: "Payment and invoices" }).first().click();
  await buyer.getByRole("button", { name: "Cancel the subscription" }).click();
  await expect(buyer.getByRole("button", { name: "Keep the subscription" })).toBeVisible();
  await buyer.getByRole("link", { name: "Return" }).click();
  await buyer.waitForURL(`${baseURL}/billing`);
  await expect(answers(buyer)).toContainText("then Free");

  await plans(buyer).getByRole("button", { name: "Keep Pro" }).click();
  await expect(answers(buyer)).toContainText("Renews on");
  await plans(buyer).getByRole("button", { name: "Cancel the subscription" }).click();
  const dialog = buyer.getByRole("dialog");
  await expectAccessible(buyer);
  await dialog.getByRole("button", { name: "End the subscription" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(answers(buyer)).toContainText("then Free");
});

test("a checkout that is left costs nothing, and says so", async ({ buyer, baseURL }) => {
  await signUp(buyer);
  await buyer.goto("/billing");
  await plans(buyer).getByRole("button", { name: "Upgrade to Pro" }).click();
  await buyer.getByRole("link", { name: "Back" }).click();
  await buyer.waitForURL(`${baseURL}/billing**`);
  await expect(buyer.getByText("Nothing was charged.")).toBeVisible();
  await expect(answers(buyer)).toContainText("You pay nothing.");
});

test("an invoice shows its jobs, and its proof verifies until a row is changed", async ({
  buyer,
  baseURL,
}) => {
  await signUp(buyer);
  await buyer.goto("/billing");
  await upgrade(buyer, baseURL);
  const stripe = await StripeStandIn.ofUser(buyer);
  for (const _ of [1, 2]) {
    await submitOne(buyer);
    await expect(buyer).toHaveURL(/\/jobs\/[0-9a-f-]{36}$/);
  }
  await expect.poll(() => stripe.countUnits(), { timeout: 120_000 }).toBe(2);
  await buyer.goto("/billing");
  const next = buyer.getByRole("region", { name: "Next invoice" });
  await expect(next).toContainText("2 jobs at");
  await plans(buyer).getByRole("button", { name: "Upgrade to Enterprise" }).click();
  const question = buyer.getByRole("dialog");
  await expect(question.getByRole("region", { name: "Charged now" })).toContainText("Total");
  await expectAccessible(buyer);
  await buyer.keyboard.press("Escape");
  await expect(question).toHaveCount(0);

  await stripe.endPeriod();
  const invoices = buyer.getByRole("region", { name: "Invoices", exact: true });
  await expect(invoices.getByRole("row")).toHaveCount(3, { timeout: 60_000 });
  const verify = invoices
    .getByRole("row")
    .nth(1)
    .getByRole("button", { name: /^Verify/ });
  await expect(verify).toBeVisible({ timeout: 120_000 });
  await invoices.getByRole("button", { name: /^Show/ }).first().click();
  const jobs = invoices.getByRole("region", { name: /^Jobs of/ });
  await expect(jobs.getByRole("link")).toHaveCount(2);
  await verify.click();
  await expect(invoices.getByText("The proof is right.")).toBeVisible();
  await expect(invoices.getByText(/^Entries \d+ to \d+ charge 2 units/)).toBeVisible();
  await expectAccessible(buyer);

  let changed = 0;
  await buyer.route("**/billing/invoices/*/proof", async (route) => {
    const response = await route.fetch();
    const proof = await response.json();
    const [, link] = proof.proofs[0].links;
    [changed] = link;
    link[2] = 5;
    await route.fulfill({ response, json: proof });
  });
  await verify.click();
  await expect(invoices.getByText("The proof is not right.")).toBeVisible();
  await expect(invoices.getByText(`entry ${changed} is not what its hash says`)).toBeVisible();

  await buyer.getByRole("button", { name: "Payment and invoices" }).first().click();
  await buyer.getByRole("button", { name: "Cancel the subscription" }).click();
  await buyer.getByRole("link", { name: "Return" }).click();
  await buyer.waitForURL(`${baseURL}/billing`);
  await expect(answers(buyer)).toContainText("then Free");
});
