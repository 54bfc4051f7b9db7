import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { StreamOptions } from "@/lib/sse/stream";
import { type FeedOptions, RunFeed, type RunSnapshot } from "./run-feed";
import { buildApproval, buildRun, buildStep } from "./testing";

/** A gateway whose answers and events the test decides. */
class FakeGateway {
  snapshot: RunSnapshot = { run: buildRun(), steps: [], approvals: [] };
  failure: Error | undefined;
  reads = 0;
  isClosed = false;
  private answers: (() => void)[] = [];
  private stream: StreamOptions | undefined;

  readonly options: FeedOptions = {
    url: "/stream",
    load: () => {
      this.reads += 1;
      return new Promise((resolve, reject) => {
        this.answers.push(() => (this.failure ? reject(this.failure) : resolve(this.snapshot)));
      });
    },
    open: (options) => {
      this.stream = options;
      const close = () => {
        this.isClosed = true;
      };
      return { close, reconnect: () => undefined };
    },
  };

  send(event: string, data: unknown): void {
    this.stream?.onEvent({ id: "1-0", event, data: JSON.stringify(data) });
  }

  async answer(): Promise<void> {
    this.answers.shift()?.();
    await vi.advanceTimersByTimeAsync(0);
  }
}

let gateway: FakeGateway;
let feed: RunFeed;

beforeEach(() => {
  vi.useFakeTimers();
  gateway = new FakeGateway();
  feed = new RunFeed(gateway.options);
  feed.start();
});
afterEach(() => {
  feed.stop();
  vi.useRealTimers();
});

const frame = (version: number, state = "running") => ({
  ...buildRun(),
  ceilings: { tokens: 60_000 },
  version,
  state,
});

it("loses nothing that arrives while the snapshot is read", async () => {
  gateway.send("step", buildStep({ seq: 0 }));
  gateway.send("token", { call: "write", offset: 0, text: "Two of " });
  gateway.send("run", frame(9));
  expect(feed.getState().text?.text).toBe("Two of ");
  await gateway.answer();
  const { snapshot } = feed.getState();
  expect(snapshot?.steps).toHaveLength(1);
  expect(snapshot?.run.version).toBe(9);
});

it("shows no older state than the snapshot has", async () => {
  const done = buildStep({ state: "done", finished_at: "2026-01-01T00:00:09Z" });
  gateway.snapshot = { run: buildRun({ version: 12 }), steps: [done], approvals: [] };
  gateway.send("step", buildStep());
  gateway.send("run", frame(11, "waiting"));
  await gateway.answer();
  expect(feed.getState().snapshot).toMatchObject({ run: { version: 12, state: "running" } });
  expect(feed.getState().snapshot?.steps).toEqual([done]);
});

it("reads again after a gap, and once for many changes", async () => {
  await gateway.answer();
  gateway.send("resync", { cursor: "9-0" });
  expect(gateway.reads).toBe(2);
  await gateway.answer();
  for (const seq of [0, 1, 2]) gateway.send("step", buildStep({ seq }));
  gateway.snapshot = { ...gateway.snapshot, approvals: [buildApproval()] };
  await vi.advanceTimersByTimeAsync(1_000);
  expect(gateway.reads).toBe(3);
  await gateway.answer();
  expect(feed.getState().snapshot?.approvals).toHaveLength(1);
});

it("reads the answer when the run has ended, and follows it no longer", async () => {
  await gateway.answer();
  const result = { answer: "Example Shop [1]." };
  gateway.snapshot = {
    ...gateway.snapshot,
    run: buildRun({ version: 5, state: "succeeded", result }),
  };
  gateway.send("finished", frame(4, "succeeded"));
  expect(gateway.isClosed).toBe(false);
  await gateway.answer();
  expect(feed.getState().snapshot?.run.result).toEqual(result);
  expect(gateway.isClosed).toBe(true);
});

it("keeps what it has when a read fails, and tries again", async () => {
  await gateway.answer();
  gateway.failure = new Error("away");
  gateway.send("resync", {});
  await gateway.answer();
  expect(feed.getState()).toMatchObject({ error: gateway.failure, snapshot: gateway.snapshot });
  gateway.failure = undefined;
  await vi.advanceTimersByTimeAsync(3_000);
  await gateway.answer();
  expect(feed.getState().error).toBeUndefined();
});

it("says that a run cannot be read", async () => {
  gateway.failure = new Error("not found");
  gateway = new FakeGateway();
  gateway.failure = new Error("not found");
  const other = new RunFeed(gateway.options);
  other.start();
  await gateway.answer();
  expect(other.getState()).toMatchObject({ error: gateway.failure, snapshot: undefined });
  other.stop();
  expect(gateway.isClosed).toBe(true);
});
