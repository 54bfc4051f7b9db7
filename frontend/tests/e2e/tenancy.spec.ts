import { expect, people, signInWith, test } from "./support";

/** A job of one user does not exist for another, whichever way its id is used. */

test.describe("another user's id", () => {
  test.use({ expectedStatuses: [404] });

  test("is not found", async ({ watched, browser, baseURL }) => {
    const other = await browser.newContext({ baseURL });
    const owner = await other.newPage();
    await signInWith(owner, people.demo());
    const id: string = await owner.evaluate(async () => {
      const response = await fetch("/api/v1/jobs?limit=1");
      return (await response.json()).items[0].id;
    });
    await other.close();

    await signInWith(watched, people.operator());
    const statuses = await watched.evaluate(
      async (job) =>
        Promise.all(
          ["", "/status", "/result", "/attempts", "/timeline", "/events", "/artifacts"].map(
            async (part) => (await fetch(`/api/v1/jobs/${job}${part}`)).status,
          ),
        ),
      id,
    );
    expect(new Set(statuses)).toEqual(new Set([404]));
  });
});
