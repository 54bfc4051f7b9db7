import type { Stream, StreamEvent, StreamOptions, StreamState } from "@/lib/sse/stream";
import {
  type Approval,
  appendToken,
  isFinal,
  type LiveText,
  mergeRun,
  mergeStep,
  type Run,
  type RunFrame,
  type Step,
  type Token,
} from "./model";

export interface RunSnapshot {
  readonly run: Run;
  readonly steps: readonly Step[];
  readonly approvals: readonly Approval[];
}

export interface FeedState {
  readonly snapshot: RunSnapshot | undefined;
  readonly text: LiveText | null;
  readonly link: StreamState;
  readonly error: unknown;
}

export interface FeedOptions {
  readonly url: string;
  readonly load: (signal: AbortSignal) => Promise<RunSnapshot>;
  readonly open: (options: StreamOptions) => Stream;
  readonly refreshMs?: number;
}

const REFRESH_MS = 1_000;
const RETRY_MS = 3_000;

/**
 * Follows one run: subscribe, buffer, read a snapshot, drain. The stream begins with what is kept of
 * the run, so that a page that was loaded again has the text that was being written; after an
 * interruption it continues behind the last event.
 */
export class RunFeed {
  private state: FeedState = {
    snapshot: undefined,
    text: null,
    link: { kind: "connecting" },
    error: undefined,
  };
  private readonly listeners = new Set<() => void>();
  private waiting: StreamEvent[] | undefined = [];
  private stream: Stream | undefined;
  private reading: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isStopped = false;

  constructor(private readonly options: FeedOptions) {}

  getState = (): FeedState => this.state;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  start(): void {
    this.isStopped = false;
    this.stream = this.options.open({
      url: this.options.url,
      onEvent: (event) => this.receive(event),
      onState: (link) => this.set({ link }),
    });
    void this.read();
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
    this.reading?.abort();
    this.stream?.close();
  }

  /** Read everything again; what arrives meanwhile is applied afterwards. */
  read = async (): Promise<void> => {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.reading?.abort();
    const reading = new AbortController();
    this.reading = reading;
    this.waiting ??= [];
    try {
      const snapshot = await this.options.load(reading.signal);
      if (this.isStopped || reading.signal.aborted) return;
      this.set({ snapshot, error: undefined });
    } catch (error) {
      if (this.isStopped || reading.signal.aborted) return;
      this.set({ error });
      if (this.state.snapshot) this.plan(RETRY_MS);
    }
    this.drain();
    const run = this.state.snapshot?.run;
    if (run && isFinal(run.state)) this.stream?.close();
  };

  private receive(event: StreamEvent): void {
    if (this.waiting && event.event !== "token") this.waiting.push(event);
    else this.apply(event);
  }

  private drain(): void {
    if (!this.state.snapshot) return;
    const events = this.waiting ?? [];
    this.waiting = undefined;
    for (const event of events) this.apply(event);
  }

  private apply(event: StreamEvent): void {
    if (event.event === "token") {
      this.set({ text: appendToken(this.state.text, JSON.parse(event.data) as Token) });
    } else if (event.event === "resync") {
      void this.read();
    } else if (event.event === "step") {
      this.applyStep(JSON.parse(event.data) as Step);
    } else if (event.event === "run" || event.event === "finished") {
      this.applyRun(JSON.parse(event.data) as RunFrame);
    }
  }

  private applyStep(step: Step): void {
    const { snapshot } = this.state;
    if (!snapshot) return;
    const steps = mergeStep(snapshot.steps, step);
    if (steps === snapshot.steps) return;
    this.set({ snapshot: { ...snapshot, steps } });
    this.plan();
  }

  private applyRun(frame: RunFrame): void {
    const { snapshot } = this.state;
    if (!snapshot) return;
    const run = mergeRun(snapshot.run, frame);
    if (run === snapshot.run) return;
    this.set({ snapshot: { ...snapshot, run } });
    // The result, what is held and what is asked stand in the snapshot only.
    if (isFinal(run.state)) void this.read();
    else this.plan();
  }

  private plan(after = this.options.refreshMs ?? REFRESH_MS): void {
    this.timer ??= setTimeout(() => void this.read(), after);
  }

  private set(change: Partial<FeedState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }
}
