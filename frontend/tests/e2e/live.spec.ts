import { randomUUID } from "node:crypto";
import type { Page } from "@playwright/test";
import { expect, test } from "./support";

/** Jobs that change while they are looked at. */

const SLOW_ENOUGH_MS = 4_000;
const SITE = process.env.SITE_URL ?? "";

type Job = { task_type: string; params: Record<string, unknown>; run_at?: string };

/** Submit beside the page, as another program of the same user would. */
async function submit(page: Page, ...jobs: Job[]): Promise<string[]> {
  return page.evaluate(
    async ({ jobs, key }) => {
      const response = await fetch("/api/v1/jobs/batch", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": key },
        body: JSON.stringify({ jobs }),
      });
      const { items } = await response.json();
      return items.map((item: { job: { id: string } }) => item.job.id);
    },
    { jobs, key: randomUUID() },
  );
}

async function statusOf(page: Page, id: string): Promise<string> {
  return page.evaluate(
    async (job) => (await (await fetch(`/api/v1/jobs/${job}/status`)).json()).status,
    id,
  );
}

const echo = (message: string, delay_ms = 0): Job => ({
  task_type: "echo",
  params: { message, delay_ms },
});
const row = (page: Page, id: string) => page.locator(`[role=row][data-id="${id}"]`);

/** New rows wait until they are asked for, unless the list was read after them. */
async function showRows(page: Page, ids: readonly string[]): Promise<void> {
  const showNew = page.getByRole("button", { name: /new$/ });
  for (const id of ids) {
    await expect(showNew.or(row(page, id)).first()).toBeVisible();
    if (await showNew.isVisible()) await showNew.click();
    await expect(row(page, id)).toHaveCount(1);
  }
}

test("a job that another program submits is announced, runs and ends on the page", async ({
  signedIn,
}) => {
  await signedIn.goto("/jobs");
  await expect(signedIn.getByText("Live", { exact: true })).toBeVisible();
  const [id = ""] = await submit(signedIn, echo("live", SLOW_ENOUGH_MS));
  await signedIn.getByRole("button", { name: /new$/ }).click();
  await expect(row(signedIn, id)).toContainText("Running");
  await expect(row(signedIn, id)).toContainText("Completed");
});

test.describe("a stream that is cut", () => {
  test.use({ expectedFailures: ["ERR_INTERNET_DISCONNECTED"] });

  test("loses nothing and repeats nothing", async ({ signedIn }) => {
    await signedIn.goto("/jobs");
    const ids = await submit(signedIn, echo("cut 1", SLOW_ENOUGH_MS), echo("cut 2"));
    await showRows(signedIn, ids);
    await signedIn.context().setOffline(true);
    await expect(signedIn.getByText("You are offline", { exact: false }).first()).toBeVisible();
    // The jobs end while the page hears nothing of it.
    const other = await signedIn.context().browser()?.newContext();
    const page = await other?.newPage();
    if (!page || !other) throw new Error("no second page");
    await other.addCookies(await signedIn.context().cookies());
    await page.goto(new URL("/settings", signedIn.url()).href);
    for (const id of ids) await expect.poll(() => statusOf(page, id)).toBe("COMPLETED");
    const [later = ""] = await submit(page, echo("cut 3"));
    await expect.poll(() => statusOf(page, later)).toBe("COMPLETED");
    await other.close();
    await signedIn.context().setOffline(false);
    for (const id of ids) await expect(row(signedIn, id)).toContainText("Completed");
    await showRows(signedIn, [later]);
    await expect(row(signedIn, later)).toContainText("Completed");
    for (const id of [...ids, later]) await expect(row(signedIn, id)).toHaveCount(1);
  });
});

test("selected jobs are cancelled together", async ({ signedIn }) => {
  await signedIn.goto("/jobs?q=status%3Aqueued");
  const run_at = new Date(Date.now() + 3_600_000).toISOString();
  const jobs = [1, 2, 3].map((each) => ({ ...echo(`planned ${each}`), run_at }));
  const ids = await submit(signedIn, ...jobs);
  await showRows(signedIn, ids);
  for (const id of ids) await row(signedIn, id).getByRole("checkbox").check();
  await signedIn.getByRole("button", { name: /^Cancel 3/ }).click();
  await signedIn.getByRole("dialog").getByRole("button", { name: "Cancel job" }).click();
  for (const id of ids) await expect.poll(() => statusOf(signedIn, id)).toBe("CANCELLED");
  for (const id of ids) await expect(row(signedIn, id)).toHaveCount(0);
});

test("a job is replayed with an edited parameter", async ({ signedIn }) => {
  await signedIn.goto("/jobs");
  const [id = ""] = await submit(signedIn, echo("before the edit"));
  await signedIn.goto(`/jobs/${id}`);
  await expect(signedIn.getByText("Done on attempt 1")).toBeVisible();
  await signedIn.keyboard.press("e");
  await signedIn.waitForURL(`**/jobs/new?from=${id}`);
  await expect(signedIn.getByLabel("message *")).toHaveValue("before the edit");
  await signedIn.getByLabel("message *").fill("after the edit");
  await signedIn.getByRole("button", { name: "Run job" }).click();
  await expect(signedIn.getByRole("tabpanel")).toContainText("after the edit");
  expect(signedIn.url()).not.toContain(id);
});

test("by keys only: from the list to a failed job, retry, and back to the same place", async ({
  signedIn,
}) => {
  await signedIn.goto("/settings");
  const ids = await submit(
    signedIn,
    ...[1, 2].map((each) => ({
      task_type: "navigate_and_extract_text",
      params: { url: `http://127.0.0.1:9/closed-${each}` },
    })),
  );
  for (const id of ids) await expect.poll(() => statusOf(signedIn, id)).toBe("FAILED");
  await signedIn.keyboard.type("gj");
  await signedIn.waitForURL("**/jobs");
  await signedIn.locator("[role=row][data-id]").first().waitFor();
  await signedIn.keyboard.press("/");
  await signedIn.keyboard.type("status:failed ");
  await signedIn.keyboard.press("Escape");
  await expect(signedIn.getByRole("row", { name: /Completed/ })).toHaveCount(0);
  const place = signedIn.url();
  await signedIn.keyboard.press("j");
  await signedIn.keyboard.press("x");
  const chosen = signedIn.locator("[role=row][data-cursor]");
  const id = (await chosen.getAttribute("data-id")) ?? "";
  expect(ids).toContain(id);
  await signedIn.keyboard.press("Enter");
  await signedIn.waitForURL(`**/jobs/${id}?**`);
  await expect(signedIn.getByRole("button", { name: "Retry" })).toBeVisible();
  const version = () =>
    signedIn.evaluate(
      async (job) => (await (await fetch(`/api/v1/jobs/${job}`)).json()).version,
      id,
    );
  const before = await version();
  await signedIn.keyboard.press("r");
  await expect.poll(version).toBeGreaterThan(before);
  await expect.poll(() => statusOf(signedIn, id)).toBe("FAILED");
  await signedIn.keyboard.press("Escape");
  await expect(signedIn).toHaveURL(place);
  await expect(chosen).toHaveAttribute("data-id", id);
  await expect(chosen).toHaveAttribute("aria-selected", "true");
});

test("a page of the demo site becomes text", async ({ signedIn }) => {
  await signedIn.goto("/jobs");
  const params = { url: `${SITE}/article` };
  const [id = ""] = await submit(signedIn, { task_type: "navigate_and_extract_text", params });
  await signedIn.goto(`/jobs/${id}`);
  await expect(signedIn.getByText("Done on attempt 1")).toBeVisible();
  await expect(signedIn.getByRole("tabpanel")).toContainText("light");
});
