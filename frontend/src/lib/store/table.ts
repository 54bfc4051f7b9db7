import {
  isAfter,
  type JobFrame,
  type JobRow,
  type ProgressFrame,
  toKey,
  toSortable,
  withFrame,
} from "./rows";

/** What changed: some rows, or all of them. */
export type Change = ReadonlySet<string> | "all";

const RESORT_FROM = 64;

/**
 * The user's jobs in memory, newest first.
 *
 * `updated_at` of a job rises with each version, so that rows and frames may arrive in any order
 * and more than once: an older one changes nothing. A frame has a part of the row only; the job
 * stays in `unread` until a row that is not older than the frame was read.
 */
export class JobTable {
  private readonly rows = new Map<string, JobRow>();
  private readonly overlays = new Map<string, Partial<JobRow>>();
  private readonly overlaid = new WeakMap<JobRow, JobRow>();
  private readonly listeners = new Set<(change: Change) => void>();
  private order: string[] = [];
  private changed: Set<string> | "all" = new Set();
  private unsorted: string[] = [];
  /** Jobs to read, with the newest version that a frame has announced. */
  readonly unread = new Map<string, string>();
  /** Rows older than this key are not in the table; undefined when it has all. */
  bottom: string | undefined;

  get size(): number {
    return this.rows.size;
  }

  /** The ids, newest first. */
  get ids(): readonly string[] {
    this.sort();
    return this.order;
  }

  get(id: string): JobRow | undefined {
    const row = this.rows.get(id);
    const overlay = row && this.overlays.get(id);
    if (!overlay) return row;
    const shown = this.overlaid.get(row) ?? { ...row, ...overlay };
    this.overlaid.set(row, shown);
    return shown;
  }

  /** The row without what is only shown. */
  getStored(id: string): JobRow | undefined {
    return this.rows.get(id);
  }

  *entries(): IterableIterator<JobRow> {
    yield* this.rows.values();
  }

  subscribe = (listener: (change: Change) => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Take a row as it was read. */
  putRow(row: JobRow): void {
    const present = this.rows.get(row.id);
    if (present && isAfter(present.updated_at, row.updated_at)) return;
    const announced = this.unread.get(row.id);
    if (announced !== undefined && !isAfter(announced, row.updated_at)) this.unread.delete(row.id);
    if (!present && this.bottom !== undefined && toKey(row) < this.bottom) return;
    if (present && isSameReading(present, row)) return;
    this.write(row, present);
  }

  /** Take everything from another table. */
  restore(
    rows: Iterable<JobRow>,
    unread: Iterable<readonly [string, string]>,
    bottom: string | undefined,
  ): void {
    this.clear();
    for (const row of rows) this.write(row, undefined);
    this.continueWith(unread, bottom);
    this.changed = "all";
  }

  /** Mirror a row of another table, whatever its version. */
  replace(row: JobRow): void {
    this.write(row, this.rows.get(row.id));
  }

  continueWith(unread: Iterable<readonly [string, string]>, bottom: string | undefined): void {
    this.unread.clear();
    for (const [id, moment] of unread) this.unread.set(id, moment);
    this.bottom = bottom;
  }

  putFrame(frame: JobFrame): void {
    const present = this.rows.get(frame.id);
    if (present && !isAfter(frame.updated_at, present.updated_at)) return;
    const announced = this.unread.get(frame.id);
    if (announced === undefined || isAfter(frame.updated_at, announced)) {
      this.unread.set(frame.id, frame.updated_at);
    }
    if (present) this.write(withFrame(present, frame), present);
  }

  /** Progress has no version: it is shown at once, and the row is read with the next ones. */
  putProgress({ id, percent = null, message = null }: ProgressFrame): void {
    const present = this.rows.get(id);
    if (present?.status === "RUNNING") {
      this.write({ ...present, progress: { percent, message } }, present);
    }
  }

  /** Show a change before the gateway has confirmed it; undefined takes it back. */
  overlay(id: string, values: Partial<JobRow> | undefined): void {
    if (values) this.overlays.set(id, values);
    else this.overlays.delete(id);
    const row = this.rows.get(id);
    if (row) this.overlaid.delete(row);
    this.mark(id);
  }

  remove(id: string): void {
    this.unread.delete(id);
    this.overlays.delete(id);
    if (!this.rows.has(id)) return;
    // Sorting compares rows, so it comes before the row is gone.
    const at = this.sort().indexOf(id);
    this.rows.delete(id);
    if (at >= 0) this.order.splice(at, 1);
    this.mark(id);
  }

  /** Drop what a complete reading down to `bottom` has not found. */
  keepOnly(found: ReadonlySet<string>, bottom: string | undefined): void {
    const order = this.sort();
    for (const [id, row] of this.rows) {
      if (!found.has(id) && !row.optimistic) this.rows.delete(id);
    }
    this.bottom = bottom;
    this.order = order.filter((id) => this.rows.has(id));
    this.changed = "all";
  }

  clear(): void {
    this.rows.clear();
    this.overlays.clear();
    this.unread.clear();
    this.order = [];
    this.unsorted = [];
    this.bottom = undefined;
    this.changed = "all";
  }

  /** Tell the listeners what changed since the last call. */
  publish(): Change {
    const change = this.changed;
    this.changed = new Set();
    if (change === "all" || change.size > 0)
      for (const listener of this.listeners) listener(change);
    return change;
  }

  /** Compare the order of two rows of the table: negative when the first is newer. */
  compare(id: string, other: string): number {
    const row = this.rows.get(id);
    const second = this.rows.get(other);
    if (!row || !second) return 0;
    return isBefore(row, second) ? 1 : isBefore(second, row) ? -1 : 0;
  }

  private write(row: JobRow, present: JobRow | undefined): void {
    // Only a row that was accepted a moment ago gets another time, the gateway's.
    const isMoved = present !== undefined && present.created_at !== row.created_at;
    if (isMoved) this.order = this.sort().filter((id) => id !== row.id);
    this.rows.set(row.id, row);
    if (!present || isMoved) this.unsorted.push(row.id);
    if (isMoved) this.changed = "all";
    else this.mark(row.id);
  }

  private mark(id: string): void {
    if (this.changed !== "all") this.changed.add(id);
  }

  private sort(): string[] {
    const added = this.unsorted;
    if (added.length === 0) return this.order;
    this.unsorted = [];
    if (added.length < RESORT_FROM) {
      for (const id of added) insertSorted(this.order, id, (a, b) => this.compare(a, b));
      return this.order;
    }
    const keyed = [...this.order, ...added].map((id): [string, string] => {
      const row = this.rows.get(id);
      return [row ? toKey(row) : "", id];
    });
    keyed.sort((a, b) => (a[0] < b[0] ? 1 : -1));
    this.order = keyed.map(([, id]) => id);
    return this.order;
  }
}

/** Only the place in the queue and the progress change without a new version. */
function isSameReading(row: JobRow, read: JobRow): boolean {
  return (
    row.version === read.version &&
    row.updated_at === read.updated_at &&
    JSON.stringify([row.queue ?? null, row.progress]) ===
      JSON.stringify([read.queue ?? null, read.progress])
  );
}

function isBefore(row: JobRow, other: JobRow): boolean {
  if (row.created_at === other.created_at) return row.id < other.id;
  return toSortable(row.created_at) < toSortable(other.created_at);
}

/** Find where an id belongs in a sorted list. */
export function findPlace(
  ids: readonly string[],
  id: string,
  compare: (a: string, b: string) => number,
): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(ids[middle] as string, id) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insertSorted(ids: string[], id: string, compare: (a: string, b: string) => number): void {
  ids.splice(findPlace(ids, id, compare), 0, id);
}
