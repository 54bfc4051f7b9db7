import { Refresher } from "./refresher";
import { type JobFrame, type JobRow, type ProgressFrame, toKey } from "./rows";
import {
  getRetryAfterMs,
  type JobSource,
  type Link,
  type LinkState,
  REAL_TIMERS,
  type SourceEvent,
  type Timers,
} from "./source";
import type { JobTable } from "./table";

/** From where the rows and the stream continue; it is stored together with the rows. */
export interface Position {
  /** The last event that the rows contain; undefined while a snapshot is being read. */
  readonly cursor: string | undefined;
  /** The page below the oldest row. */
  readonly older: string | null;
  /** When the rows were last known to be complete. */
  readonly syncedAt: number;
}

export interface SyncState {
  /** `empty` until the first snapshot is complete. */
  readonly phase: "empty" | "ready";
  readonly link: LinkState;
  /** Since when the stream is interrupted; undefined while it is live. */
  readonly lostSince: number | undefined;
  /** From when the rows are, while the stream is interrupted. */
  readonly asOf: number;
  readonly isReading: boolean;
  readonly error: unknown;
}

export interface SyncLimits {
  readonly page: number;
  /** Rows that a snapshot reads, and that are read afterwards without being asked for. */
  readonly snapshot: number;
  readonly fill: number;
}

export interface SyncOptions {
  readonly table: JobTable;
  readonly source: JobSource;
  readonly start?: Position | undefined;
  readonly timers?: Timers;
  readonly limits?: SyncLimits;
  /** Whether the page is looked at: the order of the queue changes without events. */
  readonly isVisible?: () => boolean;
  readonly onChange: () => void;
  readonly onAccount?: (data: string) => void;
}

const LIMITS: SyncLimits = { page: 100, snapshot: 500, fill: 5_000 };
const FILL_MS = 1_200;
const FILL_AFTER_FAILURE_MS = 30_000;
const RETRY_MS = [1_000, 2_000, 5_000, 15_000, 30_000];

/**
 * Keeps a table equal to the gateway's: subscribe, buffer, read a snapshot, drain, be ready.
 *
 * A failure leaves the last rows in place.
 */
export class Sync {
  state: SyncState;
  position: Position;
  private readonly table: JobTable;
  private readonly timers: Timers;
  private readonly limits: SyncLimits;
  private readonly refresher: Refresher;
  private readonly cancels = new Set<() => void>();
  private buffer: SourceEvent[] | undefined;
  private meanwhile: SourceEvent[] | undefined;
  private seen: string | undefined;
  private isFilling = false;
  private touched = new Set<string>();
  private reading = 0;
  private failures = 0;
  private closed = false;
  private readonly link: Link;

  constructor(private readonly options: SyncOptions) {
    const { table, source, start } = options;
    this.table = table;
    this.timers = options.timers ?? REAL_TIMERS;
    this.limits = options.limits ?? LIMITS;
    this.position = start ?? { cursor: undefined, older: null, syncedAt: 0 };
    const phase = start ? "ready" : "empty";
    this.state = {
      phase,
      link: { kind: "connecting" },
      lostSince: this.timers.now(),
      asOf: this.position.syncedAt,
      isReading: false,
      error: undefined,
    };
    this.refresher = new Refresher(table, source, this.timers, {
      page: this.limits.page,
      isVisible: options.isVisible ?? (() => true),
      onRead: () => this.publish(),
    });
    this.seen = this.position.cursor;
    if (this.seen === undefined) this.buffer = [];
    this.link = source.follow(
      this.position.cursor,
      (event) => this.receive(event),
      (link) => this.follow(link),
    );
    this.refresher.schedule();
    this.fillLater();
  }

  close(): void {
    this.closed = true;
    this.reading += 1;
    this.link.close();
    this.refresher.close();
    for (const cancel of this.cancels) cancel();
  }

  reconnect(): void {
    this.link.reconnect();
    if (this.state.error !== undefined) void this.readSnapshot();
  }

  /** Take a row that this browser has just written or read. */
  putLocal(row: JobRow): void {
    this.touched.add(row.id);
    this.table.putRow(row);
    this.publish();
  }

  /** Read the page below the oldest row. */
  async readOlder(): Promise<void> {
    const { older } = this.position;
    if (older === null || this.state.isReading || this.buffer) return;
    const reading = ++this.reading;
    this.update({ isReading: true });
    this.meanwhile = [];
    try {
      const page = await this.options.source.readPage(older, this.limits.page);
      if (reading !== this.reading) return;
      const last = page.items.at(-1);
      this.table.bottom = page.next_cursor === null || !last ? undefined : toKey(last);
      for (const row of page.items) this.table.putRow(row);
      // The page may be older than the events that arrived while it was read.
      for (const event of this.meanwhile) this.apply(event);
      this.position = { ...this.position, older: page.next_cursor };
      this.update({ isReading: false, error: undefined });
    } catch (error) {
      if (reading === this.reading) this.update({ isReading: false, error });
    }
    this.meanwhile = undefined;
    this.publish();
  }

  private follow(link: LinkState): void {
    const now = this.timers.now();
    const isLive = link.kind === "live";
    const wasLive = this.state.lostSince === undefined;
    const lostSince = isLive ? undefined : (this.state.lostSince ?? now);
    this.update({ link, lostSince, asOf: wasLive ? now : this.state.asOf });
  }

  private receive(event: SourceEvent): void {
    if (this.closed) return;
    const isGreeting = event.event === "hello";
    // A stream that continues greets with the id that we have seen last. With any other, events
    // were missed, even if the connection ends before `resync` arrives.
    const isContinued = isGreeting && event.id === this.seen;
    if (event.id !== undefined) this.seen = event.id;
    if (isContinued) return;
    if (isGreeting || event.event === "resync") {
      this.startOver();
      return;
    }
    if (event.event === "account") this.options.onAccount?.(event.data);
    if (this.buffer) {
      this.buffer.push(event);
      return;
    }
    this.meanwhile?.push(event);
    this.apply(event);
    this.publish();
  }

  private startOver(): void {
    this.buffer = [];
    this.position = { ...this.position, cursor: undefined };
    void this.readSnapshot();
  }

  private async readSnapshot(): Promise<void> {
    if (this.closed) return;
    const reading = ++this.reading;
    this.touched = new Set();
    this.update({ isReading: true });
    try {
      const rows: JobRow[] = [];
      const older = await this.readPages(reading, rows);
      if (reading !== this.reading) return;
      this.finish(rows, older);
    } catch (error) {
      if (reading === this.reading) this.retryLater(error);
    }
  }

  private async readPages(reading: number, rows: JobRow[]): Promise<string | null> {
    const { page: limit, snapshot, fill } = this.limits;
    const enough = Math.max(snapshot, Math.min(this.table.size, fill));
    let cursor: string | undefined;
    for (;;) {
      const page = await this.options.source.readPage(cursor, cursor ? limit : enough);
      if (reading !== this.reading) return null;
      for (const row of page.items) {
        rows.push(row);
        this.table.putRow(row);
      }
      this.publish();
      if (page.next_cursor === null || rows.length >= enough) return page.next_cursor;
      cursor = page.next_cursor;
    }
  }

  private finish(rows: readonly JobRow[], older: string | null): void {
    const found = new Set(this.touched);
    for (const row of rows) found.add(row.id);
    const last = rows.at(-1);
    this.table.keepOnly(found, older === null || !last ? undefined : toKey(last));
    for (const row of rows) this.table.putRow(row);
    const buffered = this.buffer ?? [];
    this.buffer = undefined;
    this.failures = 0;
    this.position = { cursor: this.seen, older, syncedAt: this.timers.now() };
    for (const event of buffered) this.apply(event);
    this.update({ phase: "ready", isReading: false, error: undefined });
    this.publish();
    this.fillLater();
  }

  private retryLater(error: unknown): void {
    const pause = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)] as number;
    this.failures += 1;
    this.update({ isReading: false, error });
    this.after(Math.max(pause, getRetryAfterMs(error) ?? 0), () => {
      if (this.buffer && !this.state.isReading) void this.readSnapshot();
    });
  }

  private apply(event: SourceEvent): void {
    if (event.event === "row") this.table.putRow(JSON.parse(event.data) as JobRow);
    if (event.event === "job") this.table.putFrame(JSON.parse(event.data) as JobFrame);
    if (event.event === "progress") {
      this.table.putProgress(JSON.parse(event.data) as ProgressFrame);
    }
    if (event.id !== undefined) {
      this.position = { ...this.position, cursor: event.id, syncedAt: this.timers.now() };
    }
  }

  /** Read older rows in the background, slowly, so that a search sees them. */
  private fillLater(): void {
    if (this.isFilling || this.position.older === null) return;
    if (this.table.size >= this.limits.fill) return;
    this.isFilling = true;
    const pause = this.state.error === undefined ? FILL_MS : FILL_AFTER_FAILURE_MS;
    this.after(pause, async () => {
      await this.readOlder();
      this.isFilling = false;
      this.fillLater();
    });
  }

  private after(ms: number, callback: () => void): void {
    if (this.closed) return;
    const cancel = this.timers.after(ms, () => {
      this.cancels.delete(cancel);
      callback();
    });
    this.cancels.add(cancel);
  }

  private publish(): void {
    if (this.closed) return;
    this.refresher.schedule();
    this.options.onChange();
  }

  private update(changes: Partial<SyncState>): void {
    if (this.closed) return;
    this.state = { ...this.state, ...changes };
    this.options.onChange();
  }
}
