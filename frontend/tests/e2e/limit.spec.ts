import { randomUUID } from "node:crypto";
import { expect, expectAccessible, test } from "./support";

/** What a user sees when the jobs of the plan are used up. */

const LIMIT = 100;

test.describe("at the limit of the free plan", () => {
  test.use({ expectedStatuses: [402] });

  test("every page says so, and the next job is refused in words", async ({ watched }) => {
    await watched.goto("/signup");
    await watched.getByLabel("Email").fill(`limit.${Date.now()}@example.com`);
    await watched.getByLabel("Password").fill(randomUUID());
    await watched.getByRole("button", { name: "Create account" }).click();
    await watched.waitForURL("**/jobs");
    const accepted = await watched.evaluate(
      async ({ count, key }) => {
        // Jobs that wait hold their units, so that nothing has to run.
        const run_at = new Date(Date.now() + 3_600_000).toISOString();
        const job = { task_type: "echo", params: { message: "held" }, run_at };
        const response = await fetch("/api/v1/jobs/batch", {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": key },
          body: JSON.stringify({ jobs: Array(count).fill(job) }),
        });
        const { items } = await response.json();
        return items.filter((each: { ok: boolean }) => each.ok).length;
      },
      { count: LIMIT, key: randomUUID() },
    );
    expect(accepted).toBe(LIMIT);

    await watched.goto("/jobs/new");
    await expect(watched.getByText("100 of 100 jobs", { exact: false }).first()).toBeVisible();
    await expectAccessible(watched);
    await watched.getByRole("radio", { name: /^echo/ }).check({ force: true });
    await watched.getByLabel("message *").fill("one too many");
    await watched.getByRole("button", { name: "Run job" }).click();
    await expect(
      watched
        .getByRole("alert")
        .filter({ hasText: /limit|quota/i })
        .first(),
    ).toBeVisible();
    await expect(watched).toHaveURL(/\/jobs\/new$/);
    await expectAccessible(watched);
  });
});
