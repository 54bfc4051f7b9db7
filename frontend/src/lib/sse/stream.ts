import { createParser, type EventSourceMessage } from "eventsource-parser";

/** One event of a stream, with the id that a later connection continues from. */
export interface StreamEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

export type StreamState =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  | { readonly kind: "waiting"; readonly retryAt: number; readonly status?: number }
  | { readonly kind: "ended"; readonly status: number };

export interface StreamOptions {
  readonly url: string;
  readonly lastEventId?: string | undefined;
  readonly onEvent: (event: StreamEvent) => void;
  readonly onState?: (state: StreamState) => void;
  readonly fetch?: typeof globalThis.fetch;
  readonly random?: () => number;
  readonly now?: () => number;
  /** The stream counts as dead when not even a comment came for this long. */
  readonly idleMs?: number;
}

export interface Stream {
  /** Connect now instead of after the pause. */
  reconnect(): void;
  close(): void;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const IDLE_MS = 45_000;
/** Repeating these requests cannot help: signed out, refused, or nothing there. */
const FINAL_STATUSES = new Set([204, 401, 403, 404]);

class Refused extends Error {
  constructor(
    readonly status: number,
    readonly retryAfterMs: number | undefined,
  ) {
    super(`the stream was refused with ${status}`);
  }
}

/** Follow a stream of server-sent events until it is closed, across interruptions. */
export function openStream(options: StreamOptions): Stream {
  return new ResumingStream(options);
}

class ResumingStream implements Stream {
  private readonly now: () => number;
  private readonly random: () => number;
  private lastEventId: string | undefined;
  private retryMs = FIRST_PAUSE_MS;
  private failures = 0;
  private closed = false;
  private connection: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: StreamOptions) {
    this.lastEventId = options.lastEventId;
    this.now = options.now ?? Date.now;
    this.random = options.random ?? Math.random;
    void this.connect();
  }

  reconnect(): void {
    if (this.closed || this.timer === undefined) return;
    clearTimeout(this.timer);
    void this.connect();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.connection?.abort();
  }

  private async connect(): Promise<void> {
    this.timer = undefined;
    const connection = new AbortController();
    this.connection = connection;
    this.setState({ kind: "connecting" });
    try {
      await this.read(connection);
      this.pause(undefined);
    } catch (error) {
      if (this.closed) return;
      if (error instanceof Refused && FINAL_STATUSES.has(error.status)) {
        this.closed = true;
        this.setState({ kind: "ended", status: error.status });
      } else {
        this.failures += 1;
        this.pause(error instanceof Refused ? error : undefined);
      }
    } finally {
      connection.abort();
    }
  }

  private async read(connection: AbortController): Promise<void> {
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (this.lastEventId) headers["last-event-id"] = this.lastEventId;
    const watchdog = new Watchdog(this.options.idleMs ?? IDLE_MS, () => connection.abort());
    try {
      const fetchStream = this.options.fetch ?? globalThis.fetch;
      const response = await fetchStream(this.options.url, {
        headers,
        signal: connection.signal,
        cache: "no-store",
      });
      if (response.status !== 200 || !response.body) {
        throw new Refused(response.status, readRetryAfter(response));
      }
      this.setState({ kind: "live" });
      await this.readBody(response.body, watchdog);
    } finally {
      watchdog.stop();
    }
  }

  private async readBody(body: ReadableStream<Uint8Array>, watchdog: Watchdog): Promise<void> {
    const parser = createParser({
      onEvent: (event) => this.receive(event),
      onRetry: (ms) => {
        this.retryMs = ms;
      },
    });
    const decoder = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.closed) return;
      watchdog.restart();
      parser.feed(decoder.decode(value, { stream: true }));
    }
  }

  private receive(event: EventSourceMessage): void {
    if (this.closed) return;
    this.failures = 0;
    if (event.id !== undefined) this.lastEventId = event.id;
    this.options.onEvent({ id: event.id, event: event.event ?? "message", data: event.data });
  }

  /** Wait longer after each failure, at a random time so that clients do not return together. */
  private pause(refused: Refused | undefined): void {
    if (this.closed) return;
    const doubled = this.retryMs * 2 ** Math.max(0, this.failures - 1);
    const longest = Math.min(doubled, Math.max(LONGEST_PAUSE_MS, this.retryMs));
    const jittered = longest * (0.5 + this.random() / 2);
    const pauseMs = Math.max(jittered, refused?.retryAfterMs ?? 0);
    const waiting = { kind: "waiting", retryAt: this.now() + pauseMs } as const;
    this.setState(refused ? { ...waiting, status: refused.status } : waiting);
    this.timer = setTimeout(() => void this.connect(), pauseMs);
  }

  private setState(state: StreamState): void {
    if (!this.closed || state.kind === "ended") this.options.onState?.(state);
  }
}

class Watchdog {
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly idleMs: number,
    private readonly onIdle: () => void,
  ) {
    this.restart();
  }

  restart(): void {
    this.stop();
    this.timer = setTimeout(this.onIdle, this.idleMs);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}

export function readRetryAfter(response: Response): number | undefined {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1000 : undefined;
}
