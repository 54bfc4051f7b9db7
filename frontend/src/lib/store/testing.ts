/** A gateway, a browser and time for the tests of the store; nothing happens by itself. */

import type { Persistence, Saved, SavedChange } from "./persistence";
import { type JobRow, type JobStatus, toKey } from "./rows";
import type { JobPage, JobSource, Link, LinkState, SourceEvent, Timers } from "./source";

export function buildRow(values: Partial<JobRow> = {}): JobRow {
  return {
    id: "job-1",
    task_type: "echo",
    status: "PENDING",
    priority: 5,
    attempts: 0,
    max_attempts: 3,
    source: "api",
    run_at: "2026-01-01T00:00:00Z",
    deadline_at: null,
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    started_at: null,
    finished_at: null,
    cancel_requested: false,
    progress: null,
    last_error: null,
    failure_reason: null,
    correlation_id: "c",
    version: 1,
    queue: null,
    ...values,
  };
}

export class FakeTimers implements Timers {
  private readonly callbacks = new Set<{ at: number; callback: () => void }>();
  private time = 0;

  now = (): number => this.time;

  after = (ms: number, callback: () => void): (() => void) => {
    const entry = { at: this.time + ms, callback };
    this.callbacks.add(entry);
    return () => this.callbacks.delete(entry);
  };

  /** Let time pass; callbacks that are planned meanwhile have to wait for the next call. */
  pass(ms: number): void {
    this.time += ms;
    const due = [...this.callbacks].filter((entry) => entry.at <= this.time);
    due.sort((a, b) => a.at - b.at);
    for (const entry of due) if (this.callbacks.delete(entry)) entry.callback();
  }
}

interface Published {
  readonly position: number;
  readonly event: "job" | "row" | "resync";
  readonly data: string;
}

interface Reading {
  execute(): void;
  answer: (() => void) | undefined;
  fail(): void;
}

class OpenLink implements Link {
  closed = false;
  readonly sent: SourceEvent[] = [];

  constructor(
    readonly onEvent: (event: SourceEvent) => void,
    readonly onState: (state: LinkState) => void,
    public lastEventId: string | undefined,
  ) {}

  reconnect(): void {}

  close(): void {
    this.closed = true;
  }
}

export class UnavailableError extends Error {
  readonly status = 503;
}

/** The truth, the log of its events, and requests that take as long as the test wants. */
export class FakeGateway implements JobSource {
  readonly jobs = new Map<string, JobRow>();
  readonly readings: Reading[] = [];
  readonly links: OpenLink[] = [];
  private readonly log: Published[] = [];
  private floor = 0;
  private position = 0;
  private clock = 0;
  private submitted = 0;

  submit(): void {
    const moment = this.tick();
    const id = `job-${String(++this.submitted).padStart(4, "0")}`;
    const row = buildRow({ id, created_at: moment, run_at: moment, updated_at: moment });
    this.jobs.set(id, row);
    this.publish(row);
  }

  change(index: number, publishes: boolean): void {
    const row = [...this.jobs.values()][index % Math.max(1, this.jobs.size)];
    if (!row) return;
    const next: Record<JobStatus, JobStatus> = {
      PENDING: "RUNNING",
      RUNNING: index % 2 ? "COMPLETED" : "FAILED",
      FAILED: "PENDING",
      COMPLETED: "COMPLETED",
      CANCELLED: "CANCELLED",
    };
    const status = next[row.status];
    const moment = this.tick();
    const changed: JobRow = {
      ...row,
      status,
      version: row.version + 1,
      updated_at: moment,
      attempts: row.attempts + (status === "RUNNING" ? 1 : 0),
      started_at: status === "RUNNING" ? moment : row.started_at,
      finished_at: status === "COMPLETED" || status === "FAILED" ? moment : null,
      failure_reason: status === "FAILED" ? `reason ${row.version}` : null,
      last_error: status === "FAILED" ? "it failed" : null,
    };
    this.jobs.set(row.id, changed);
    if (publishes) this.publish(changed);
    else this.held.push(changed);
  }

  private readonly held: JobRow[] = [];

  /** Publish what was held back: events of the log may be out of order. */
  publishHeld(): void {
    for (const row of this.held.splice(0).reverse()) this.publish(row);
  }

  publishAgain(index: number): void {
    const entry = this.log[index % Math.max(1, this.log.length)];
    if (entry) this.log.push({ ...entry, position: ++this.position });
  }

  /** Forget the log and some jobs; connected clients are told, the others find out. */
  reset(erased: number): void {
    const ids = [...this.jobs.keys()];
    if (erased % 3 === 0 && ids.length > 0) this.jobs.delete(ids[erased % ids.length] as string);
    this.position += 1;
    this.floor = this.position;
    this.log.length = 0;
    for (const link of this.open) link.sent.push(this.resync());
    for (const link of this.open) link.lastEventId = String(this.position);
    this.floor = this.position;
  }

  /** Move events from the log towards the browser. */
  send(): void {
    for (const link of this.open) {
      const from = Number(link.lastEventId ?? this.position);
      for (const { position, event, data } of this.log) {
        if (position > from) link.sent.push({ id: String(position), event, data });
      }
      link.lastEventId = String(this.position);
    }
  }

  deliver(count: number): void {
    for (const link of this.links) {
      for (const event of link.sent.splice(0, count)) if (!link.closed) this.hand(link, event);
    }
  }

  /** Cut the connections: what is under way is lost, and they continue from what arrived. */
  cut(): void {
    for (const link of this.open) {
      link.sent.length = 0;
      this.greet(link, link.received);
    }
  }

  get open(): (OpenLink & { received?: string | undefined })[] {
    return this.links.filter((link) => !link.closed);
  }

  readPage(cursor: string | undefined, limit: number): Promise<JobPage> {
    return this.read(() => {
      const rows = [...this.jobs.values()]
        .sort((a, b) => (toKey(a) < toKey(b) ? 1 : -1))
        .filter((row) => cursor === undefined || toKey(row) < cursor);
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      const next = last && rows.length > limit ? toKey(last) : null;
      return { items, next_cursor: next, stream_cursor: String(this.position) };
    });
  }

  readJob(id: string): Promise<JobRow | undefined> {
    return this.read(() => this.jobs.get(id));
  }

  follow(
    lastEventId: string | undefined,
    onEvent: (event: SourceEvent) => void,
    onState: (state: LinkState) => void,
  ): Link {
    const link = new OpenLink(onEvent, onState, lastEventId);
    this.links.push(link);
    this.greet(link, lastEventId);
    return link;
  }

  private hand(link: OpenLink & { received?: string | undefined }, event: SourceEvent): void {
    link.received = event.id;
    link.onEvent(event);
  }

  private greet(link: OpenLink, from: string | undefined): void {
    const isMissing = from !== undefined && Number(from) < this.floor;
    const start = from === undefined || isMissing ? String(this.position) : from;
    link.sent.push({ id: start, event: "hello", data: "{}" });
    if (isMissing) link.sent.push(this.resync());
    link.lastEventId = start;
  }

  private resync(): SourceEvent {
    return { id: String(this.position), event: "resync", data: "{}" };
  }

  private read<T>(execute: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const reading: Reading = {
        execute: () => {
          const value = execute();
          reading.answer = () => resolve(value);
        },
        answer: undefined,
        fail: () => reject(new UnavailableError()),
      };
      this.readings.push(reading);
    });
  }

  /** Rows are read after their events; what cannot be read then is announced by `job`. */
  private publish(row: JobRow): void {
    const present = this.jobs.get(row.id);
    if (present && row.version % 2 === 0) {
      this.log.push({ position: ++this.position, event: "row", data: JSON.stringify(present) });
      return;
    }
    const { id, status, attempts, updated_at, last_error } = row;
    const data = JSON.stringify({ id, status, attempts, updated_at, last_error });
    this.log.push({ position: ++this.position, event: "job", data });
  }

  /** Times rise; those of whole seconds have no decimals, as in the API. */
  private tick(): string {
    this.clock += 250;
    return new Date(Date.UTC(2026, 0, 1) + this.clock).toISOString().replace(".000Z", "Z");
  }
}

/** What a browser keeps for all its tabs. */
export class FakePersistence implements Persistence {
  private saved: Saved | undefined;
  stamp = 0;

  async load(): Promise<Saved | undefined> {
    return this.saved && structuredClone(this.saved);
  }

  async save({ put, removed, ...rest }: SavedChange): Promise<void> {
    const rows = new Map(removed && this.saved?.rows.map((row) => [row.id, row]));
    for (const id of removed ?? []) rows.delete(id);
    for (const row of put) rows.set(row.id, row);
    this.saved = structuredClone({ ...rest, rows: [...rows.values()] });
  }

  async wipe(): Promise<void> {
    this.saved = undefined;
  }
}
