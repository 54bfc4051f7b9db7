import { act, render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { AuthProvider } from "@/lib/auth/provider";
import { useKeyboard } from "@/lib/keyboard/use-keys";
import { OwnData } from "@/lib/store/own-data";
import { GivenOwnData } from "@/lib/store/provider";
import { buildRow, FakeGateway, FakeTimers } from "@/lib/store/testing";
import { listMemory } from "../list-memory";
import { JobsPage } from "./jobs-page";

const push = vi.fn();
vi.mock("next/navigation", () => ({
  useRouter: () => ({ push }),
  usePathname: () => "/jobs",
  useSearchParams: () => new URLSearchParams(),
}));

const me = {
  id: "ann",
  email: "ann@example.com",
  display_name: null,
  role: "user",
  plan: "FREE",
  locale: null,
  created_at: "2026-01-01T00:00:00Z",
  usage: null,
} as const;
const config = {
  environment: "test",
  apiUrl: "https://api.example/api/v1",
  exampleSite: null,
  sentryDsn: null,
  release: "test",
  flags: {},
} as const;

let gateway: FakeGateway;
let data: OwnData;

function Keys() {
  useKeyboard();
  return null;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    gateway.send();
    gateway.deliver(Number.POSITIVE_INFINITY);
    for (const reading of gateway.readings.splice(0)) {
      if (!reading.answer) reading.execute();
      reading.answer?.();
    }
    await Promise.resolve();
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}

async function show(): Promise<void> {
  data = new OwnData({ source: gateway, timers: new FakeTimers(), tabId: "1" });
  await data.start();
  render(
    <AuthProvider me={me} flags={{}} config={config}>
      <GivenOwnData data={data}>
        <Keys />
        <JobsPage />
      </GivenOwnData>
    </AuthProvider>,
  );
  await act(settle);
}

beforeEach(() => {
  vi.stubGlobal("fetch", () => new Promise(() => undefined));
  vi.stubGlobal("matchMedia", () => ({
    matches: false,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }));
  vi.stubGlobal("scrollTo", () => undefined);
  gateway = new FakeGateway();
  listMemory.cursor = undefined;
  listMemory.selection = new Set();
  listMemory.newest.clear();
  push.mockReset();
});

const rows = () => screen.queryAllByRole("row").filter((row) => row.hasAttribute("data-id"));

it("shows one next step and a request to copy before the first job", async () => {
  await show();
  expect(await screen.findByRole("heading", { name: "Run your first job" })).toBeVisible();
  expect(screen.getByText(/curl https:\/\/api.example\/api\/v1\/jobs/)).toBeVisible();
});

it("holds new rows back until they are asked for", async () => {
  gateway.submit();
  await show();
  expect(rows()).toHaveLength(1);
  data.putLocal(buildRow({ id: "job-new", created_at: "2026-02-01T00:00:00Z" }));
  await act(settle);
  expect(rows()).toHaveLength(1);
  await userEvent.click(screen.getByRole("button", { name: "1 new" }));
  expect(rows()).toHaveLength(2);
});

it("moves, selects and opens by keys", async () => {
  for (let count = 0; count < 3; count += 1) gateway.submit();
  await show();
  await userEvent.keyboard("jjx");
  const [, second] = rows();
  expect(second).toHaveAttribute("aria-selected", "true");
  expect(await screen.findByRole("region", { name: "1 selected" })).toBeVisible();
  await userEvent.keyboard("{Enter}");
  expect(push).toHaveBeenCalledWith("/jobs/job-0002");
  await userEvent.keyboard("{Escape}");
  expect(screen.queryByRole("region", { name: "1 selected" })).toBeNull();
});

it("a pause holds every change", async () => {
  gateway.submit();
  await show();
  await userEvent.keyboard("p");
  data.putLocal(buildRow({ id: "job-0001", status: "FAILED", updated_at: "2027-01-01T00:00:00Z" }));
  await act(settle);
  const [row] = rows();
  expect(within(row as HTMLElement).getByText("Queued")).toBeVisible();
  expect(screen.getByText("Paused, 1 change held")).toBeVisible();
  await userEvent.keyboard("p");
  await act(settle);
  expect(within(rows()[0] as HTMLElement).getByText("Failed")).toBeVisible();
});
