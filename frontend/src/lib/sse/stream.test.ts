import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openStream, type StreamEvent, type StreamState } from "./stream";

interface Call {
  readonly lastEventId: string | null;
  send(text: string): void;
  end(): void;
  fail(): void;
  readonly signal: AbortSignal;
}

function fakeServer(statuses: number[] = [], headers: Record<string, string> = {}) {
  const calls: Call[] = [];
  const fetch: typeof globalThis.fetch = async (_input, init) => {
    const signal = init?.signal as AbortSignal;
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start(given) {
        controller = given;
        signal.addEventListener("abort", () => {
          try {
            given.error(new DOMException("aborted", "AbortError"));
          } catch {
            // It has ended already.
          }
        });
      },
    });
    const status = statuses.shift() ?? 200;
    calls.push({
      lastEventId: new Headers(init?.headers).get("last-event-id"),
      send: (text) => controller.enqueue(new TextEncoder().encode(text)),
      end: () => controller.close(),
      fail: () => controller.error(new TypeError("network error")),
      signal,
    });
    return new Response(status === 200 ? body : null, { status, headers });
  };
  return { calls, fetch };
}

function follow(server: ReturnType<typeof fakeServer>, lastEventId?: string) {
  const events: StreamEvent[] = [];
  const states: StreamState[] = [];
  const stream = openStream({
    url: "/api/v1/jobs/stream",
    lastEventId,
    fetch: server.fetch,
    random: () => 1,
    onEvent: (event) => events.push(event),
    onState: (state) => states.push(state),
  });
  return { stream, events, states, last: () => states.at(-1) };
}

const flush = () => vi.advanceTimersByTimeAsync(0);

describe("openStream", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("continues from the last event after an interruption", async () => {
    const server = fakeServer();
    const { stream, events } = follow(server, "1-0");
    await flush();
    expect(server.calls[0]?.lastEventId).toBe("1-0");
    server.calls[0]?.send('retry: 2000\n\nid: 2-0\nevent: job\ndata: {"a":');
    server.calls[0]?.send("1}\n\n");
    await flush();
    server.calls[0]?.fail();
    await vi.advanceTimersByTimeAsync(1_999);
    expect(server.calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(server.calls[1]?.lastEventId).toBe("2-0");
    expect(events).toEqual([{ id: "2-0", event: "job", data: '{"a":1}' }]);
    stream.close();
  });

  it("waits longer after each failure, up to thirty seconds", async () => {
    const server = fakeServer(Array<number>(8).fill(503));
    const { stream, states } = follow(server);
    await vi.advanceTimersByTimeAsync(120_000);
    const pauses = states.filter((state) => state.kind === "waiting").length;
    expect(server.calls).toHaveLength(8);
    expect(pauses).toBe(8);
    stream.close();
  });

  it("does not return before Retry-After", async () => {
    const server = fakeServer([429], { "retry-after": "20" });
    const { stream, last } = follow(server);
    await vi.advanceTimersByTimeAsync(19_999);
    expect(last()).toMatchObject({ kind: "waiting", status: 429 });
    await vi.advanceTimersByTimeAsync(1);
    expect(last()).toEqual({ kind: "live" });
    stream.close();
  });

  it.each([204, 401, 403, 404])("ends for good at %i", async (status) => {
    const server = fakeServer([status]);
    const { last } = follow(server);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(last()).toEqual({ kind: "ended", status });
    expect(server.calls).toHaveLength(1);
  });

  it("connects again when the stream is silent, and a comment counts as a sign of life", async () => {
    const server = fakeServer();
    const { stream } = follow(server);
    await vi.advanceTimersByTimeAsync(44_000);
    server.calls[0]?.send(": still here\n\n");
    await vi.advanceTimersByTimeAsync(44_000);
    expect(server.calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(server.calls).toHaveLength(2);
    expect(server.calls[0]?.signal.aborted).toBe(true);
    stream.close();
  });

  it("connects at once on request, and never after it was closed", async () => {
    const server = fakeServer([503]);
    const { stream } = follow(server);
    await flush();
    stream.reconnect();
    await flush();
    expect(server.calls).toHaveLength(2);
    stream.close();
    stream.reconnect();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(server.calls).toHaveLength(2);
  });
});
