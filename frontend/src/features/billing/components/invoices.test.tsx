import { readFileSync } from "node:fs";
import path from "node:path";
import { render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AuthProvider } from "@/lib/auth/provider";
import { clearResources } from "@/lib/resource";
import type { InvoiceJob, InvoiceSummary, Preview } from "../invoice-queries";
import { Invoices } from "./invoices";
import { UpgradePreview } from "./preview";

vi.hoisted(() => {
  // Requests of a page have a relative address, which Node's Request does not accept.
  const NodeRequest = globalThis.Request;
  globalThis.Request = class extends NodeRequest {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === "string" ? new URL(input, "http://site.test") : input, init);
    }
  };
});

const FIXTURES = path.resolve(import.meta.dirname, "../../../../tests/unit/invoice-proofs.json");
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
  exampleSite: null,
  apiUrl: "http://gateway.test/api/v1",
  sentryDsn: null,
  release: "1",
  flags: {},
} as const;
const PERIOD = { period_start: "2026-01-10T09:30:00Z", period_end: "2026-02-10T09:30:00Z" };

function summary(id: string, changes: Partial<InvoiceSummary> = {}): InvoiceSummary {
  return {
    id,
    number: `N-${id}`,
    status: "paid",
    currency: "usd",
    total: 2007,
    amount_due: 2007,
    amount_paid: 2007,
    amount_remaining: 0,
    billing_reason: "subscription_cycle",
    next_payment_attempt: null,
    finalized_at: PERIOD.period_end,
    paid_at: PERIOD.period_end,
    hosted_invoice_url: null,
    created_at: PERIOD.period_end,
    has_proof: true,
    ...PERIOD,
    ...changes,
  };
}

function job(seq: number): InvoiceJob {
  const job_id = `0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a${String(seq).padStart(2, "0")}`;
  return { line_id: "il_1", job_id, quantity: 1, occurred_at: "2026-01-11T00:00:00Z", seq };
}

function readProofs(): { intact: unknown; tampered: unknown } {
  const { shared, cases } = JSON.parse(readFileSync(FIXTURES, "utf8"));
  const unpacked = JSON.parse(JSON.stringify(cases[0].file), (_, value) =>
    value && typeof value === "object" && "$" in value ? shared[value.$] : value,
  );
  const tampered = structuredClone(unpacked);
  tampered.proofs[0].links[3][2] = 5;
  return { intact: unpacked, tampered };
}

const PREVIEW: Preview = {
  currency: "usd",
  due_at: PERIOD.period_end,
  total: 11_993,
  lines: [
    {
      kind: "proration",
      plan: "PRO",
      amount: -1000,
      quantity: 1,
      unit_amount: null,
      ...PERIOD,
    },
    {
      kind: "proration",
      plan: "ENTERPRISE",
      amount: 12_986,
      quantity: 1,
      unit_amount: null,
      ...PERIOD,
    },
    { kind: "metered", plan: "PRO", amount: 7, quantity: 14, unit_amount: "0.5", ...PERIOD },
  ],
};

let proof: unknown;
let invoices: Record<string, InvoiceSummary[]>;

function answer({ pathname, searchParams }: URL): unknown {
  const cursor = searchParams.get("cursor");
  if (pathname.endsWith("/proof")) return proof;
  if (pathname.endsWith("/jobs")) return { items: [job(3)], next_cursor: null };
  if (pathname.endsWith("/preview")) return PREVIEW;
  if (pathname.endsWith("/invoices")) {
    return { items: invoices[cursor ?? "first"], next_cursor: cursor ? null : "in_2" };
  }
  const line = { id: "il_1", description: "14 jobs", amount: 7, quantity: 14, unit_amount: "0.5" };
  return {
    ...summary("in_1"),
    lines: [{ ...line, is_metered: true, is_proration: false, ...PERIOD }],
    jobs: { items: [job(1), job(2)], next_cursor: job(2).job_id },
  };
}

function show(shown: React.ReactNode) {
  render(
    <AuthProvider me={ME} flags={{}} config={CONFIG}>
      {shown}
    </AuthProvider>,
  );
  return userEvent.setup();
}

beforeEach(() => {
  clearResources();
  proof = readProofs().intact;
  invoices = {
    first: [summary("in_1"), summary("in_2", { status: "draft", has_proof: false, number: null })],
    in_2: [summary("in_3", { status: "void" })],
  };
  vi.stubGlobal("fetch", async (input: Request) => {
    const url = new URL(input.url);
    return url.pathname.includes("in_404")
      ? Response.json({}, { status: 404 })
      : Response.json(answer(url));
  });
});
afterEach(() => vi.unstubAllGlobals());

it("lists invoices with amount, state and period, and older ones on demand", async () => {
  const user = show(<Invoices />);
  const row = (await screen.findByText("N-in_1")).closest("tr") as HTMLElement;
  expect(row).toHaveTextContent("10 Jan – 10 Feb 2026");
  expect(row).toHaveTextContent("$20.07");
  expect(row).toHaveTextContent("Paid");
  const draft = screen.getByText("in_2").closest("tr") as HTMLElement;
  expect(draft).toHaveTextContent("none");
  expect(within(draft).queryByRole("button", { name: /Verify/ })).toBeNull();
  await user.click(screen.getByRole("button", { name: "Show older invoices" }));
  expect(await screen.findByText("N-in_3")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Show older invoices" })).toBeNull();
});

it("shows the lines of an invoice and the jobs behind them, page by page", async () => {
  const user = show(<Invoices />);
  await user.click(await screen.findByRole("button", { name: "Show N-in_1" }));
  const lines = await screen.findByRole("region", { name: "Lines of N-in_1" });
  expect(lines).toHaveTextContent("14 jobs14$0.005$0.07");
  const jobs = screen.getByRole("region", { name: "Jobs of N-in_1" });
  expect(within(jobs).getAllByRole("link")).toHaveLength(2);
  await user.click(screen.getByRole("button", { name: "Show more jobs" }));
  expect(await within(jobs).findByRole("link", { name: "2e3f4a03" })).toHaveAttribute(
    "href",
    `/jobs/${job(3).job_id}`,
  );
  expect(screen.queryByRole("button", { name: "Show more jobs" })).toBeNull();
});

it("verifies a proof in the browser, and names the row of a tampered one", async () => {
  const user = show(<Invoices />);
  const verify = await screen.findByRole("button", { name: "Verify N-in_1" });
  await user.click(verify);
  expect(await screen.findByText("The proof is right.")).toBeVisible();
  expect(screen.getByText(/Entries 1 to 10 charge 9 units/)).toBeVisible();
  proof = readProofs().tampered;
  await user.click(verify);
  expect(await screen.findByText("The proof is not right.")).toBeVisible();
  expect(screen.getByText("entry 4 is not what its hash says")).toBeVisible();
});

it("says what an upgrade charges now", async () => {
  show(<UpgradePreview plan="ENTERPRISE" period={null} />);
  const charged = await screen.findByRole("region", { name: "Charged now" });
  expect(charged).toHaveTextContent("Time of Pro that is not used-$10.00");
  expect(charged).toHaveTextContent("14 jobs at $0.005$0.07");
  expect(charged).toHaveTextContent("Total$119.93");
});
