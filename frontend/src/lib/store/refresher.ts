import { isFinal } from "./rows";
import { getRetryAfterMs, type JobSource, type Timers } from "./source";
import type { JobTable } from "./table";

interface RefresherOptions {
  readonly page: number;
  readonly isVisible: () => boolean;
  readonly onRead: () => void;
}

const SOON_MS = 200;
const BETWEEN_MS = 1_000;
const QUEUE_MS = 5_000;
const AFTER_FAILURE_MS = 5_000;
const SINGLE_READS = 8;
/** From here on, one page of the newest jobs is cheaper than reading them one by one. */
const PAGE_FROM = 3;

/**
 * Reads the rows that frames have announced, since a frame has a part of the row only, and from
 * time to time the newest rows while jobs wait: their place in the queue changes without events.
 */
export class Refresher {
  private cancel: (() => void) | undefined;
  private dueAt = Number.POSITIVE_INFINITY;
  private lastReadAt = Number.NEGATIVE_INFINITY;
  private isReading = false;
  private closed = false;

  constructor(
    private readonly table: JobTable,
    private readonly source: JobSource,
    private readonly timers: Timers,
    private readonly options: RefresherOptions,
  ) {}

  /** Plan the next reading, if there is something to read. */
  schedule(notBeforeMs = 0): void {
    if (this.closed || this.isReading) return;
    const now = this.timers.now();
    const isUrgent = this.table.unread.size > 0;
    if (!isUrgent && !this.hasWaiting()) return;
    const earliest = isUrgent
      ? Math.max(now + SOON_MS, this.lastReadAt + BETWEEN_MS)
      : Math.max(now, this.lastReadAt) + QUEUE_MS;
    const dueAt = Math.max(earliest, now + notBeforeMs);
    if (this.cancel && this.dueAt <= dueAt) return;
    this.cancel?.();
    this.dueAt = dueAt;
    this.cancel = this.timers.after(dueAt - now, () => void this.run());
  }

  close(): void {
    this.closed = true;
    this.cancel?.();
  }

  private hasWaiting(): boolean {
    const newest = this.table.ids.slice(0, this.options.page);
    return newest.some((id) => {
      const row = this.table.get(id);
      return row !== undefined && !row.optimistic && !isFinal(row.status);
    });
  }

  private async run(): Promise<void> {
    this.cancel = undefined;
    this.isReading = true;
    let pauseMs = 0;
    try {
      if (this.table.unread.size > 0) await this.readAnnounced();
      else if (this.options.isVisible()) await this.readNewest();
    } catch (error) {
      pauseMs = getRetryAfterMs(error) ?? AFTER_FAILURE_MS;
    }
    this.isReading = false;
    this.lastReadAt = this.timers.now();
    if (this.closed) return;
    this.options.onRead();
    this.schedule(pauseMs);
  }

  private async readAnnounced(): Promise<void> {
    if (this.table.unread.size >= PAGE_FROM) await this.readNewest();
    const ids = [...this.table.unread.keys()].slice(0, SINGLE_READS);
    for (const id of ids) {
      const row = await this.source.readJob(id);
      if (this.closed) return;
      if (row) this.table.putRow(row);
      else this.table.remove(id);
    }
  }

  private async readNewest(): Promise<void> {
    const page = await this.source.readPage(undefined, this.options.page);
    if (this.closed) return;
    for (const row of page.items) this.table.putRow(row);
  }
}
