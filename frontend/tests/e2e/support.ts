import AxeBuilder from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";

/** A page that fails its test on a console error, a CSP violation or a request to another host. */

export type Person = { email: string; password: string };

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the tests with ./msaas dashboard e2e`);
  return value;
}

export const people = {
  demo: (): Person => ({ email: "demo@example.com", password: required("DEMO_PASSWORD") }),
  operator: (): Person => ({
    email: "operator@example.com",
    password: required("OPERATOR_PASSWORD"),
  }),
};

/** Watches the page; a test that expects a refusal names the statuses that it provokes. */
function watch(
  page: Page,
  origin: string,
  expected: () => readonly number[],
  failures: readonly string[],
): string[] {
  const faults: string[] = [];
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    const refused = expected().some((status) => message.text().includes(`status of ${status}`));
    const isProvoked = failures.some((failure) => message.text().includes(failure));
    if (!refused && !isProvoked) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`page: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== origin) {
      faults.push(`outside request: ${url.origin}`);
    }
  });
  return faults;
}

type Fixtures = {
  expectedStatuses: number[];
  /** Network errors that a test provokes. */
  expectedFailures: string[];
  watched: Page;
  /** Signed in as the demo user; the session is shared, because sign-ins are limited. */
  signedIn: Page;
  operator: Page;
};

type Worker = { sessions: Map<string, string> };

async function signInWith(page: Page, person: Person): Promise<void> {
  await page.goto("/login");
  await page.getByLabel("Email").fill(person.email);
  await page.getByLabel("Password").fill(person.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("**/jobs");
}

async function session(page: Page, sessions: Map<string, string>, person: Person) {
  const stored = sessions.get(person.email);
  if (stored) {
    await page.context().addCookies(JSON.parse(stored));
    return;
  }
  await signInWith(page, person);
  sessions.set(person.email, JSON.stringify(await page.context().cookies()));
}

export const test = base.extend<Fixtures, Worker>({
  sessions: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures
    async ({}, use) => {
      await use(new Map());
    },
    { scope: "worker" },
  ],
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures
  expectedStatuses: async ({}, use) => {
    await use([]);
  },
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures
  expectedFailures: async ({}, use) => {
    await use([]);
  },
  watched: async ({ page, baseURL, expectedStatuses, expectedFailures }, use) => {
    const { origin } = new URL(baseURL ?? "");
    const faults = watch(page, origin, () => expectedStatuses, expectedFailures);
    await use(page);
    expect(faults).toEqual([]);
  },
  signedIn: async ({ watched, sessions }, use) => {
    await session(watched, sessions, people.demo());
    await use(watched);
  },
  operator: async ({ watched, sessions }, use) => {
    await session(watched, sessions, people.operator());
    await use(watched);
  },
});

export { expect, signInWith };

export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"])
    .analyze();
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`,
  );
  expect(found).toEqual([]);
}
