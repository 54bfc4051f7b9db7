import { render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AuthProvider } from "@/lib/auth/provider";
import { useKeyboard } from "@/lib/keyboard/use-keys";
import { clearResources } from "@/lib/resource";
import { ToastProvider } from "@/ui/toast";
import type { RunSnapshot } from "../run-feed";
import {
  buildApproval,
  buildRun,
  buildStep,
  hashText,
  QUOTE,
  RUN_ID,
  SPAN,
  TEXT,
} from "../testing";
import { NewRunPage } from "./new-run-page";
import { RunPage } from "./run-page";

const { push, search } = vi.hoisted(() => {
  // Requests of a page have a relative address, which Node's Request does not accept.
  const NodeRequest = globalThis.Request;
  globalThis.Request = class extends NodeRequest {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === "string" ? new URL(input, "http://site.test") : input, init);
    }
  };
  return { push: vi.fn(), search: { text: "" } };
});
vi.mock("next/navigation", () => ({
  useRouter: () => ({ push }),
  usePathname: () => "/agents",
  useSearchParams: () => new URLSearchParams(search.text),
}));

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
  exampleSite: "http://demo.test",
  sentryDsn: null,
  release: "1",
  flags: {},
} as const;
const SCHEMA = {
  properties: {
    question: { type: "string", maxLength: 2000 },
    seeds: { type: "array", items: { type: "string" } },
    ceilings: { type: "object" },
  },
  required: ["question", "seeds"],
};

let snapshot: RunSnapshot;
let stream: ReadableStreamDefaultController<Uint8Array>;
const sent: { path: string; body: unknown; key: string | null }[] = [];

async function gateway(input: RequestInfo | URL): Promise<Response> {
  if (typeof input === "string") {
    const body = new ReadableStream<Uint8Array>({
      start: (given) => {
        stream = given;
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }
  const request = input as Request;
  const { pathname: path, searchParams } = new URL(request.url);
  if (request.method === "POST") {
    const text = await request.text();
    sent.push({
      path,
      body: text && JSON.parse(text),
      key: request.headers.get("idempotency-key"),
    });
    if (path.includes("/workflows/")) {
      return Response.json({ id: RUN_ID, status: "PENDING" }, { status: 202 });
    }
    snapshot = { ...snapshot, approvals: [buildApproval({ state: "approved" })] };
    return Response.json({ id: "1", state: "approved", status: "CANCELLED" }, { status: 202 });
  }
  if (path.endsWith("/steps")) return Response.json({ items: snapshot.steps, next_after: null });
  if (path.endsWith("/approvals")) return Response.json({ items: snapshot.approvals });
  if (path.endsWith("/ceilings")) {
    return Response.json({ steps: 20, tokens: 60_000, cost_micro_usd: 250_000, seconds: 900 });
  }
  if (path.endsWith("/task-types")) {
    return Response.json({ items: [{ task_type: "workflow.research", params_schema: SCHEMA }] });
  }
  if (path.includes("/passages/")) {
    const whole = searchParams.get("whole") === "true";
    const at = TEXT.indexOf(QUOTE);
    return Response.json({
      ...{ sha256: path.split("/").at(-1), url: "https://shop.example/", title: null, ...SPAN },
      length: [...TEXT].length,
      before: whole ? TEXT.slice(0, at) : "shop 🪑. ",
      passage: QUOTE,
      after: whole ? TEXT.slice(at + QUOTE.length) : " Bye",
    });
  }
  return Response.json(snapshot.run);
}

function Keyed({ children }: { children: React.ReactNode }) {
  useKeyboard();
  return children;
}

function show(page: React.ReactNode) {
  render(
    <AuthProvider me={ME} flags={{}} config={CONFIG}>
      <ToastProvider>
        <Keyed>{page}</Keyed>
      </ToastProvider>
    </AuthProvider>,
  );
  return userEvent.setup();
}

function send(event: string, data: unknown, id = "1-0") {
  const frame = `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  stream.enqueue(new TextEncoder().encode(frame));
}

beforeEach(() => {
  clearResources();
  push.mockClear();
  sent.length = 0;
  search.text = "";
  vi.stubGlobal("fetch", gateway);
});
afterEach(() => vi.unstubAllGlobals());

it("shows the steps, the ceiling and the text as it is written", async () => {
  snapshot = {
    run: buildRun(),
    steps: [buildStep({ child_job_id: "0192f0c4-7a61-7c3e-9d55-0a6f5c1b2d40" })],
    approvals: [],
  };
  show(<RunPage id={RUN_ID} />);
  expect(await screen.findByText("$0.009 of $0.250")).toBeVisible();
  expect(screen.getByText("Step 1: Read the return policies")).toBeVisible();
  expect(screen.getByRole("link", { name: /Job 5c1b2d40/ })).toHaveAttribute(
    "href",
    "/jobs/0192f0c4-7a61-7c3e-9d55-0a6f5c1b2d40",
  );
  send("token", { call: "write", offset: 0, text: "Two of the " });
  send("token", { call: "write", offset: 11, text: "three shops" });
  expect(await screen.findByText("Two of the three shops")).toBeVisible();
  send("step", buildStep({ seq: 1, title: "Draft the answer" }));
  expect(await screen.findByText("Step 1: Read the return policies")).toBeVisible();
  expect(await screen.findByRole("heading", { name: "Draft the answer" })).toBeVisible();
});

it("decides with the key A, once", async () => {
  const approval = buildApproval();
  snapshot = {
    run: buildRun({ state: "waiting", open_approvals: 1 }),
    steps: [buildStep({ state: "waiting", approval_id: approval.id })],
    approvals: [approval],
  };
  const user = show(<RunPage id={RUN_ID} />);
  expect(await screen.findByRole("region", { name: approval.title })).toBeVisible();
  await user.keyboard("a");
  expect(await screen.findByText("Approved")).toBeVisible();
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({
    path: `/api/v1/agents/runs/${RUN_ID}/approve`,
    body: { approval_id: approval.id, approved: true },
  });
  expect(sent[0]?.key).toBeTruthy();
});

it("answers with the form that the run asks for", async () => {
  const form = {
    type: "object",
    required: ["size"],
    properties: { size: { type: "string", enum: ["small", "large"] }, count: { type: "integer" } },
  };
  const approval = buildApproval({ kind: "answer", title: "Which size?", form });
  snapshot = { run: buildRun({ state: "waiting" }), steps: [], approvals: [approval] };
  const user = show(<RunPage id={RUN_ID} />);
  await user.click(await screen.findByRole("button", { name: "Send the answer" }));
  expect(sent).toHaveLength(0);
  await user.selectOptions(screen.getByLabelText("size *"), "large");
  await user.type(screen.getByLabelText("count"), "2");
  await user.click(screen.getByRole("button", { name: "Send the answer" }));
  await waitFor(() => expect(sent).toHaveLength(1));
  expect(sent[0]).toMatchObject({
    path: `/api/v1/agents/runs/${RUN_ID}/resume`,
    body: { approval_id: approval.id, answer: { size: "large", count: 2 } },
  });
});

it("opens a citation in its text and checks it in the browser", async () => {
  const sha256 = await hashText(TEXT);
  const citation = { url: "https://shop.example/", sha256, ...SPAN, quote: QUOTE, job_id: null };
  const invented = { ...citation, quote: "It is all free." };
  const result = { answer: "Within 30 days [1], for nothing [2], says no one [3]." };
  snapshot = {
    run: buildRun({
      ...{ state: "succeeded", result, citations: [citation, invented] },
      ...{ partial: true, partial_reason: "tokens", finished_at: "2026-01-01T00:01:00Z" },
    }),
    steps: [],
    approvals: [],
  };
  const user = show(<RunPage id={RUN_ID} />);
  const text = await screen.findByTestId("answer");
  expect(within(text).getByRole("link", { name: "Source 1" })).toHaveAttribute("href", "#source-1");
  expect(text).toHaveTextContent("says no one [3].");
  const steps = screen.getByRole("heading", { name: "Steps" });
  expect(text.compareDocumentPosition(steps)).toBe(Node.DOCUMENT_POSITION_FOLLOWING);
  expect(screen.getByText("This is a part")).toBeVisible();
  expect(screen.getByText(/the ceiling of tokens was reached/)).toBeVisible();
  await user.click(await screen.findByRole("button", { name: "Verify all here" }));
  expect(await screen.findByText("1 of 2 found word for word")).toBeVisible();
  expect(screen.getByText("Other words stand there")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Open source 1" }));
  const passage = await screen.findByTestId("passage");
  expect(passage.querySelector("mark")).toHaveTextContent(QUOTE);
});

it("asks before a run is stopped, and stops its job", async () => {
  snapshot = { run: buildRun(), steps: [buildStep()], approvals: [] };
  const user = show(<RunPage id={RUN_ID} />);
  await user.click(await screen.findByRole("button", { name: "Stop" }));
  expect(sent).toHaveLength(0);
  const dialog = await screen.findByRole("dialog");
  snapshot = { ...snapshot, run: buildRun({ cancel_requested: true }) };
  await user.click(within(dialog).getByRole("button", { name: "Stop" }));
  expect(await screen.findByRole("button", { name: "Stopping" })).toBeDisabled();
  expect(sent[0]?.path).toBe(`/api/v1/jobs/${RUN_ID}/cancel`);
});

it("begins a run with lowered ceilings from the example", async () => {
  const user = show(<NewRunPage />);
  await user.click(await screen.findByRole("button", { name: "Start the run" }));
  expect(screen.getAllByText("This is needed")).toHaveLength(2);
  await user.click(screen.getByRole("button", { name: "Use the example" }));
  expect(screen.getByLabelText("seeds *")).toHaveValue("http://demo.test/");
  const money = screen.getByLabelText("Money (USD)");
  expect(money).toHaveAccessibleDescription("At most $0.250");
  await user.type(money, "0.3");
  await user.click(screen.getByRole("button", { name: "Start the run" }));
  expect(sent).toHaveLength(0);
  await user.clear(money);
  await user.type(money, "0.1");
  await user.click(screen.getByRole("button", { name: "Start the run" }));
  await waitFor(() => expect(push).toHaveBeenCalledWith(`/agents/${RUN_ID}`));
  expect(sent[0]).toMatchObject({
    path: "/api/v1/agents/workflows/research/runs",
    body: {
      question: "How is a light read?",
      seeds: ["http://demo.test/"],
      ceilings: { cost_micro_usd: 100_000 },
    },
  });
});
