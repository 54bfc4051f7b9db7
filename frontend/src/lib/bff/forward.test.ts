// @vitest-environment node
import { afterEach, describe, expect, it, vi } from "vitest";
import { forward } from "./forward";

const target = { gateway: "http://gateway.test", path: "jobs", token: "token" };

function answerWith(response: Response) {
  const spy = vi.fn<typeof fetch>().mockResolvedValue(response);
  vi.stubGlobal("fetch", spy);
  return spy;
}

afterEach(() => vi.unstubAllGlobals());

describe("forward", () => {
  it("turns the session into a bearer token and passes named headers only", async () => {
    const spy = answerWith(new Response("{}", { headers: { "set-cookie": "a=b", etag: "e" } }));
    const request = new Request("http://site.test/api/v1/jobs?limit=2", {
      headers: { cookie: "session=secret", "last-event-id": "1-1", "x-forwarded-for": "1.1.1.1" },
    });
    const answer = await forward(request, target);
    const [url, init] = spy.mock.calls[0] ?? [];
    const sent = new Headers(init?.headers);
    expect(String(url)).toBe("http://gateway.test/api/v1/jobs?limit=2");
    expect(sent.get("authorization")).toBe("Bearer token");
    expect(sent.get("last-event-id")).toBe("1-1");
    expect(sent.has("cookie")).toBe(false);
    expect(sent.has("x-forwarded-for")).toBe(false);
    expect(answer.headers.has("set-cookie")).toBe(false);
    expect(answer.headers.get("etag")).toBe("e");
    expect(answer.headers.get("cache-control")).toBe("private, no-store");
  });

  it.each([
    [{ "sec-fetch-site": "cross-site" }],
    [{ "sec-fetch-site": "same-site" }],
    [{ origin: "http://other.test", host: "site.test" }],
    [{ origin: "null", host: "site.test" }],
    [{}],
  ])("refuses a change from another site: %o", async (headers) => {
    const spy = answerWith(new Response("{}"));
    const request = new Request("http://site.test/api/v1/jobs", { method: "POST", headers });
    expect((await forward(request, target)).status).toBe(403);
    expect(spy).not.toHaveBeenCalled();
  });

  it("answers 401 without a session and 503 without a gateway, as problems", async () => {
    const request = new Request("http://site.test/api/v1/jobs");
    expect((await forward(request, { ...target, token: null })).status).toBe(401);
    vi.stubGlobal("fetch", vi.fn<typeof fetch>().mockRejectedValue(new TypeError("down")));
    const answer = await forward(request, target);
    expect(answer.status).toBe(503);
    expect((await answer.json()).retryable).toBe(true);
  });

  it("refuses a body that the gateway would refuse, before reading it", async () => {
    const spy = answerWith(new Response("{}"));
    const headers = { "sec-fetch-site": "same-origin", "content-length": "262145" };
    const request = new Request("http://site.test/api/v1/jobs", { method: "POST", headers });
    expect((await forward(request, target)).status).toBe(413);
    expect(spy).not.toHaveBeenCalled();
  });

  it("keeps a live stream from being buffered", async () => {
    answerWith(new Response("", { headers: { "content-type": "text/event-stream" } }));
    const answer = await forward(new Request("http://site.test/api/v1/jobs/stream"), target);
    expect(answer.headers.get("cache-control")).toBe("no-store, no-transform");
    expect(answer.headers.get("x-accel-buffering")).toBe("no");
  });
});
