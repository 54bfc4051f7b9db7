import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AuthProvider } from "@/lib/auth/provider";
import { clearResources } from "@/lib/resource";
import { ToastProvider } from "@/ui/toast";
import type { Key } from "../model";
import { KeysPage } from "./keys-page";

vi.hoisted(() => {
  // Requests of a page have a relative address, which Node's Request does not accept.
  const NodeRequest = globalThis.Request;
  globalThis.Request = class extends NodeRequest {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === "string" ? new URL(input, "http://site.test") : input, init);
    }
  };
});

const ME = {
  id: "0192f0c4-7a61-7c3e-9d55-0a6f5c1b2d3a",
  email: "ann@example.com",
  display_name: "Ann",
  role: "user",
  plan: "FREE",
  locale: null,
  created_at: "2026-01-01T00:00:00Z",
  usage: null,
} as const;
const CONFIG = {
  environment: "test",
  apiUrl: "http://gateway.test/api/v1",
  exampleSite: null,
  sentryDsn: null,
  release: "1",
  flags: {},
} as const;
const KEY: Key = {
  id: "0192f0c4-7a61-7c3e-9d55-0a6f5c1b2d6a",
  name: "nightly build",
  prefix: "msaas_key_7Qz1Xb",
  scopes: ["jobs:read", "jobs:write"],
  requests_per_minute: null,
  created_at: "2026-01-01T00:00:00Z",
  last_used_at: null,
  expires_at: null,
  revoked_at: null,
  replaced_by: null,
};
const SECRET = "msaas_key_the-whole-key";

let keys: Key[];
const requests: { url: string; body: unknown; idempotencyKey: string | null }[] = [];

async function gateway(input: RequestInfo | URL): Promise<Response> {
  const request = input as Request;
  const { pathname } = new URL(request.url);
  if (request.method === "POST") {
    const text = await request.text();
    requests.push({
      url: pathname,
      body: text ? JSON.parse(text) : null,
      idempotencyKey: request.headers.get("idempotency-key"),
    });
  }
  if (request.method === "GET") return Response.json({ items: keys });
  if (pathname.endsWith("/revoke")) {
    keys = [{ ...KEY, revoked_at: "2026-02-01T00:00:00Z" }];
    return Response.json(keys[0]);
  }
  keys = [KEY];
  return Response.json({ ...KEY, key: SECRET }, { status: 201 });
}

function show() {
  render(
    <AuthProvider me={ME} flags={{}} config={CONFIG}>
      <ToastProvider>
        <KeysPage />
      </ToastProvider>
    </AuthProvider>,
  );
  return userEvent.setup();
}

beforeEach(() => {
  clearResources();
  keys = [];
  requests.length = 0;
  vi.stubGlobal("fetch", gateway);
});
afterEach(() => vi.unstubAllGlobals());

it("begins with one next step, and shows a new key once", async () => {
  const user = show();
  await user.click(await screen.findByRole("button", { name: "New key" }));
  await user.type(await screen.findByLabelText("Name"), " nightly build ");
  await user.click(screen.getByLabelText(/submit, cancel and retry/));
  await user.click(screen.getByRole("button", { name: "New key" }));

  expect(await screen.findByTestId("new-key")).toHaveTextContent(SECRET);
  expect(requests[0]).toMatchObject({
    url: "/api/v1/api-keys",
    body: { name: "nightly build", scopes: ["jobs:read"], requests_per_minute: null },
  });
  expect(requests[0]?.idempotencyKey).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "I have stored it" }));
  await waitFor(() => expect(document.body).not.toHaveTextContent(SECRET));
  expect(await screen.findByText("nightly build")).toBeVisible();
});

it("cannot make a key that may do nothing", async () => {
  const user = show();
  await user.click(await screen.findByRole("button", { name: "New key" }));
  await user.click(screen.getByLabelText(/submit, cancel and retry/));
  await user.click(screen.getByLabelText(/read jobs/));
  expect(screen.getByText("Choose at least one.")).toBeVisible();
  expect(screen.getByRole("button", { name: "New key" })).toBeDisabled();
});

it("asks before a key is revoked", async () => {
  keys = [KEY];
  const user = show();
  await user.click(await screen.findByRole("button", { name: "Actions for nightly build" }));
  await user.click(await screen.findByRole("menuitem", { name: "Revoke" }));
  expect(requests).toHaveLength(0);
  await user.click(screen.getByRole("button", { name: "Revoke" }));
  expect(await screen.findByText("Revoked")).toBeVisible();
  expect(requests[0]?.url).toBe(`/api/v1/api-keys/${KEY.id}/revoke`);
});
