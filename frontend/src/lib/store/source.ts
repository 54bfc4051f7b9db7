import type { JobRow } from "./rows";

export interface JobPage {
  readonly items: readonly JobRow[];
  readonly next_cursor: string | null;
  readonly stream_cursor: string;
}

export interface SourceEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

export type LinkState =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  | { readonly kind: "waiting"; readonly retryAt: number; readonly status?: number }
  | { readonly kind: "ended"; readonly status: number };

export interface Link {
  reconnect(): void;
  close(): void;
}

/** Where the store gets its data from. */
export interface JobSource {
  /** The first page may have more rows than later ones. */
  readPage(cursor: string | undefined, limit: number): Promise<JobPage>;
  /** Undefined when the job does not exist (any longer). */
  readJob(id: string): Promise<JobRow | undefined>;
  follow(
    lastEventId: string | undefined,
    onEvent: (event: SourceEvent) => void,
    onState: (state: LinkState) => void,
  ): Link;
}

/** Timers, so that a test decides when they fire. */
export interface Timers {
  now(): number;
  /** Call back later; the result cancels it. */
  after(ms: number, callback: () => void): () => void;
}

export const REAL_TIMERS: Timers = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** How long a failed request asks to wait, if its error says so, in seconds. */
export function getRetryAfterMs(error: unknown): number | undefined {
  const seconds = (error as { retryAfter?: unknown } | null)?.retryAfter;
  return typeof seconds === "number" ? seconds * 1000 : undefined;
}
