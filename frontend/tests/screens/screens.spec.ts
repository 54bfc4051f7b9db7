import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Page } from "@playwright/test";
import sharp from "sharp";
import { expect, test } from "../e2e/support";

/** Pictures of every page, dark and light, on a desktop and a phone, for docs/screens. */

const FOLDER = process.env.SCREENS ?? path.join(import.meta.dirname, "../../../docs/screens");
const SITE = process.env.SITE_URL ?? "";
const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

test.describe.configure({ mode: "serial" });
test.setTimeout(300_000);

/** The pictures of one page: `open` leads to it, with the theme and the size already chosen. */
async function take(page: Page, name: string, open: () => Promise<unknown>): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  const { origin } = new URL(page.url());
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const theme of ["dark", "light"]) {
      await page.setViewportSize(viewport);
      await page.context().addCookies([{ name: "theme", value: theme, url: origin }]);
      await open();
      await expect(page.getByLabel("Loading")).toHaveCount(0);
      await page.evaluate(() => document.fonts.ready);
      await expect(page.locator(".animate-breathe")).toHaveCount(0);
      const picture = await page.screenshot({ animations: "disabled" });
      const file = path.join(FOLDER, `${name}-${size}-${theme}.webp`);
      await sharp(picture).webp({ quality: 80 }).toFile(file);
    }
  }
}

type Job = { task_type: string; params: Record<string, unknown>; run_at?: string };

const visit = (task_type: string, page: string, more = {}): Job => ({
  task_type,
  params: { url: `${SITE}${page}`, ...more },
});

/** What a user may have sent in the last minutes: most of it went well. */
function listJobs(): Job[] {
  const run_at = new Date(Date.now() + 5 * 3_600_000).toISOString();
  return [
    visit("extract_markdown", "/article"),
    visit("navigate_and_extract_text", "/list?page=2"),
    visit("extract_links", "/list"),
    visit("capture_screenshot", "/article"),
    visit("render_pdf", "/article"),
    visit("extract_markdown", "/late"),
    visit("navigate_and_extract_text", "/slow?ms=1500"),
    visit("extract_links", "/"),
    { task_type: "navigate_and_extract_text", params: { url: "http://127.0.0.1:9/invoices" } },
    visit("navigate_and_extract_text", "/redirect"),
    visit("capture_screenshot", "/list?page=3"),
    visit("extract_markdown", "/list?page=4"),
    visit("navigate_and_extract_text", "/form"),
    { ...visit("render_pdf", "/list?page=5"), run_at },
    { ...visit("extract_markdown", "/article"), run_at },
  ];
}

async function submit(page: Page, jobs: readonly Job[]): Promise<string[]> {
  const { items } = await page.evaluate(
    async ({ body, key }) => {
      const headers = { "content-type": "application/json", "idempotency-key": key };
      return (await fetch("/api/v1/jobs/batch", { method: "POST", headers, body })).json();
    },
    { body: JSON.stringify({ jobs }), key: randomUUID() },
  );
  return items.map((item: { job: { id: string } }) => item.job.id);
}

async function hasEnded(page: Page, id: string): Promise<boolean> {
  const { status } = await page.evaluate(
    async (job) => (await fetch(`/api/v1/jobs/${job}/status`)).json(),
    id,
  );
  return status === "COMPLETED" || status === "FAILED";
}

test("sign-in and sign-up", async ({ watched }) => {
  for (const name of ["login", "signup"]) {
    await watched.goto(`/${name}`);
    await take(watched, name, () => watched.goto(`/${name}`));
  }
});

test("the first page of a new user", async ({ watched }) => {
  await watched.goto("/signup");
  await watched.getByLabel("Name").fill("Ann Walker");
  await watched.getByLabel("Email").fill(`ann.${Date.now()}@example.com`);
  await watched.getByLabel("Password").fill(randomUUID());
  await watched.getByRole("button", { name: "Create account" }).click();
  await watched.waitForURL("**/jobs");
  await take(watched, "first-job", async () => {
    await watched.goto("/jobs");
    await watched.getByText("Run your first job").waitFor();
  });
});

/** Every picture shows the same person. */
async function setName(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ display_name: "Ann Walker" });
    await fetch("/api/v1/me", { method: "PATCH", headers, body });
  });
}

test("jobs", async ({ signedIn }) => {
  await setName(signedIn);
  const jobs = listJobs();
  const ids = await submit(signedIn, jobs);
  for (const [index, id] of ids.entries()) {
    if (!jobs[index]?.run_at) await expect.poll(() => hasEnded(signedIn, id)).toBe(true);
  }
  const [markdown = "", , , screenshot = ""] = ids;
  const failed = ids[8] ?? "";
  await submit(
    signedIn,
    [60_000, 58_000].map((delay_ms) => ({
      task_type: "echo",
      params: { message: "nightly import", delay_ms },
    })),
  );
  await take(signedIn, "jobs", async () => {
    await signedIn.goto("/jobs");
    await signedIn.locator("[role=row][data-id]").nth(9).waitFor();
    const showNew = signedIn.getByRole("button", { name: /new$/ });
    if (await showNew.isVisible()) await showNew.click();
  });
  const open = async (id: string, part: string) => {
    await signedIn.goto(`/jobs/${id}`);
    await signedIn.getByRole("heading", { level: 2 }).first().waitFor();
    await expect(signedIn.getByText(part).first()).toBeVisible();
    await expect(signedIn.getByLabel("Timeline").first()).toBeVisible();
    await expect(signedIn.getByText("Parameters").first()).toBeVisible();
    await signedIn.waitForFunction(() => [...document.images].every((image) => image.complete));
  };
  await take(signedIn, "job", () => open(markdown, "Done on attempt"));
  await take(signedIn, "job-screenshot", () => open(screenshot, "Done on attempt"));
  await take(signedIn, "job-failed", () => open(failed, "Failed after"));
  await take(signedIn, "new-job", async () => {
    await signedIn.goto("/jobs/new");
    await signedIn.getByRole("button", { name: "Run job" }).waitFor();
  });
});

for (const name of ["usage", "billing", "keys", "settings"]) {
  test(name, async ({ signedIn }) => {
    await signedIn.goto(`/${name}`);
    await setName(signedIn);
    await take(signedIn, name, async () => {
      await signedIn.goto(`/${name}`);
      await signedIn.getByRole("heading", { level: 1 }).waitFor();
    });
  });
}

test("commands", async ({ signedIn }) => {
  await signedIn.goto("/usage");
  await take(signedIn, "commands", async () => {
    await signedIn.goto("/usage");
    await expect(signedIn.getByLabel("Loading")).toHaveCount(0);
    await signedIn.keyboard.press("Control+k");
    await signedIn.getByRole("listbox").waitFor();
  });
});

for (const view of ["health", "deadLetters", "flags", "users", "audit"]) {
  test(`operator ${view}`, async ({ operator }) => {
    await operator.goto("/operator");
    await take(operator, `operator-${view.toLowerCase()}`, async () => {
      await operator.goto(`/operator?view=${view}`);
      await operator.getByRole("heading", { level: 1 }).waitFor();
    });
  });
}
