import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AuthProvider } from "@/lib/auth/provider";
import { clearResources } from "@/lib/resource";
import { ToastProvider } from "@/ui/toast";
import type { Offer, Subscription } from "../model";
import { BillingPage } from "./billing-page";

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
  plan: "PRO",
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
const OFFER: Offer = {
  plan: "PRO",
  jobs_per_period: 10_000,
  slots: 20,
  metered: true,
  currency: "usd",
  interval: "month",
  amount_per_period: "2000",
  amount_per_job: "0.5",
};
const FREE_OFFER: Offer = {
  ...OFFER,
  plan: "FREE",
  jobs_per_period: 100,
  currency: null,
  amount_per_period: "0",
  amount_per_job: "0",
};
const PRO: Subscription = {
  plan: "PRO",
  status: "active",
  period_start: "2026-01-10T09:30:00Z",
  period_end: "2026-02-10T09:30:00Z",
  next_plan: null,
  trial_end: null,
  cancel_at_period_end: false,
  past_due_since: null,
  is_disputed: false,
  spend_limit: null,
};
const REFUSAL = {
  type: "/problems/dependency_unavailable",
  title: "Not available",
  status: 503,
  detail: "The payment provider does not answer.",
  instance: "",
  code: "dependency_unavailable",
  correlation_id: null,
  retryable: true,
  human_readable_cause: "The payment provider does not answer.",
  suggested_action: "Try again.",
  errors: [],
};

let subscription: Subscription;
let refusals: number;
const requests: { url: string; body: unknown; key: string | null }[] = [];

async function change(request: Request, pathname: string): Promise<Response> {
  const body = JSON.parse(await request.text());
  requests.push({ url: pathname, body, key: request.headers.get("idempotency-key") });
  if (refusals-- > 0) {
    const headers = { "x-correlation-id": "0192f0c4-correlation" };
    return Response.json(REFUSAL, { status: 503, headers });
  }
  if (pathname.endsWith("/spend-limit")) {
    subscription = { ...subscription, spend_limit: body.amount };
    return Response.json({ amount: body.amount });
  }
  subscription = { ...subscription, cancel_at_period_end: body.plan === "FREE" };
  return Response.json({ ...subscription, change: "cancel" });
}

async function gateway(input: RequestInfo | URL): Promise<Response> {
  const request = input as Request;
  const { pathname } = new URL(request.url);
  if (request.method !== "GET") return change(request, pathname);
  if (pathname.endsWith("/plans")) return Response.json({ items: [FREE_OFFER, OFFER] });
  if (pathname.endsWith("/subscription")) return Response.json(subscription);
  return Response.json(ME);
}

function show(checkout: "completed" | "cancelled" | null = null) {
  render(
    <AuthProvider me={ME} flags={{}} config={CONFIG}>
      <ToastProvider>
        <BillingPage checkout={checkout} />
      </ToastProvider>
    </AuthProvider>,
  );
  return userEvent.setup();
}

beforeEach(() => {
  clearResources();
  subscription = PRO;
  refusals = 0;
  requests.length = 0;
  vi.stubGlobal("fetch", gateway);
});
afterEach(() => vi.unstubAllGlobals());

it("says what the plan costs to the fraction of a cent, and when it renews", async () => {
  show();
  expect(await screen.findByText("Renews on 10 Feb 2026.")).toBeVisible();
  expect(screen.getAllByText("$20.00 a month")[0]).toBeVisible();
  expect(screen.getByText("plus $0.005 for each completed job")).toBeVisible();
});

it("cancels after a question, keeps its key when it is tried again, and takes it back", async () => {
  refusals = 1;
  const user = show();
  await user.click(await screen.findByRole("button", { name: "Cancel the subscription" }));
  expect(requests).toHaveLength(0);
  const confirm = await screen.findByRole("button", { name: "End the subscription" });
  await user.click(confirm);
  expect(await screen.findByText("elation", { exact: false })).toBeVisible();
  await user.click(confirm);
  expect(await screen.findByText("Ends on 10 Feb 2026; then Free.")).toBeVisible();
  expect(requests.map((each) => each.body)).toEqual([{ plan: "FREE" }, { plan: "FREE" }]);
  expect(requests[0]?.key).toBeTruthy();
  expect(requests[1]?.key).toBe(requests[0]?.key);

  await user.click(screen.getByRole("button", { name: "Keep Pro" }));
  expect(await screen.findByText("Renews on 10 Feb 2026.")).toBeVisible();
  expect(requests[2]?.key).not.toBe(requests[0]?.key);
});

it("sets a spend limit in cents, refuses what is no amount, and removes it", async () => {
  const user = show();
  const amount = await screen.findByLabelText("Amount in USD");
  await user.type(amount, "a lot");
  await user.click(screen.getByRole("button", { name: "Set the limit" }));
  expect(amount).toBeInvalid();
  await user.clear(amount);
  await user.type(amount, "49,90");
  await user.click(screen.getByRole("button", { name: "Set the limit" }));
  expect(await screen.findByText("The limit is $49.90 a period.")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Remove the limit" }));
  expect(await screen.findByText("There is no limit.")).toBeVisible();
  expect(requests.map((each) => each.body)).toEqual([{ amount: 4990 }, { amount: null }]);
});

it("waits after a checkout until the plan changes", async () => {
  subscription = { ...PRO, plan: "FREE", status: "none", period_end: null };
  show("completed");
  expect(await screen.findByText("Activating…")).toBeVisible();
  subscription = PRO;
  await waitFor(() => expect(screen.queryByText("Activating…")).toBeNull(), { timeout: 20_000 });
  expect(await screen.findByText("Your plan is Pro.")).toBeVisible();
}, 30_000);

it("says that a payment failed, and leads to where it is paid", async () => {
  subscription = { ...PRO, status: "past_due", past_due_since: "2026-01-12T00:00:00Z" };
  show();
  expect(await screen.findByRole("alert")).toHaveTextContent("A payment failed.");
  expect(screen.getByRole("button", { name: "Update the payment method" })).toBeVisible();
});
