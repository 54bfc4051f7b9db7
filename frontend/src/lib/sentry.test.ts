import { expect, it } from "vitest";
import { scrub } from "./sentry";

it("sends nothing personal", () => {
  const event = scrub({
    user: { email: "ann@example.com" },
    request: {
      url: "https://site.test/jobs/1?q=secret#part",
      cookies: { session: "token" },
      headers: { cookie: "session=token" },
      data: "password=1",
    },
    breadcrumbs: [
      { message: "typed secret", data: { url: "/api/v1/jobs?q=secret", body: "secret" } },
      { message: "clicked" },
    ],
  });
  const text = JSON.stringify(event);
  expect(text).not.toMatch(/secret|token|ann@|password/);
  expect(event.request?.url).toBe("https://site.test/jobs/1");
  expect(event.breadcrumbs?.[0]?.data).toEqual({ url: "/api/v1/jobs" });
});
