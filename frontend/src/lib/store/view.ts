import { type JobRow, type JobStatus, STATUSES } from "./rows";
import { type Change, findPlace, type JobTable } from "./table";

export type Counts = Readonly<Record<JobStatus, number>> & { readonly all: number };

/** A filter in two parts, so that the counts per status show what the others would give. */
export interface ViewFilter {
  readonly matches: (row: JobRow, now: number) => boolean;
  readonly statuses: ReadonlySet<JobStatus> | undefined;
  /** Whether the passing of time alone changes what matches. */
  readonly changesWithTime: boolean;
}

export interface ViewState {
  readonly ids: readonly string[];
  readonly counts: Counts;
}

const REBUILD_FROM = 2_000;

/** The jobs that match a filter, kept up to date change by change. */
export class JobView {
  private members: string[] = [];
  private statusOf = new Map<string, JobStatus>();
  private readonly listeners = new Set<() => void>();
  private leave: (() => void) | undefined;
  private state: ViewState | undefined;

  constructor(
    private readonly table: JobTable,
    private readonly filter: ViewFilter,
    private readonly now: () => number = Date.now,
  ) {
    this.rebuild();
  }

  getState = (): ViewState => {
    this.state ??= this.build();
    return this.state;
  };

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Filter again, because time has passed. */
  refresh(): void {
    if (this.filter.changesWithTime) this.follow("all");
  }

  /** Follow the table until the result is called. What has changed before is taken over. */
  start(): () => void {
    this.leave?.();
    this.leave = this.table.subscribe((change) => this.follow(change));
    this.rebuild();
    this.state = undefined;
    return () => {
      this.leave?.();
      this.leave = undefined;
    };
  }

  private follow(change: Change): void {
    if (change === "all" || change.size > REBUILD_FROM) {
      this.rebuild();
    } else {
      this.place(change);
    }
    this.state = undefined;
    for (const listener of this.listeners) listener();
  }

  private rebuild(): void {
    const now = this.now();
    this.members = [];
    this.statusOf = new Map();
    for (const id of this.table.ids) {
      const row = this.table.get(id);
      if (!row || !this.filter.matches(row, now)) continue;
      this.statusOf.set(id, row.status);
      if (this.shows(row.status)) this.members.push(id);
    }
  }

  /** Places are found by comparing rows, so what is gone leaves before anything is placed. */
  private place(change: ReadonlySet<string>): void {
    const now = this.now();
    const added: string[] = [];
    for (const id of change) {
      const row = this.table.get(id);
      const before = this.statusOf.get(id);
      const matches = row !== undefined && this.filter.matches(row, now);
      const wasShown = before !== undefined && this.shows(before);
      const isShown = matches && this.shows(row.status);
      if (matches) this.statusOf.set(id, row.status);
      else this.statusOf.delete(id);
      if (wasShown && !isShown) this.members.splice(this.members.indexOf(id), 1);
      if (isShown && !wasShown) added.push(id);
    }
    for (const id of added) {
      const at = findPlace(this.members, id, (a, b) => this.table.compare(a, b));
      this.members.splice(at, 0, id);
    }
  }

  private shows(status: JobStatus): boolean {
    return this.filter.statuses === undefined || this.filter.statuses.has(status);
  }

  private build(): ViewState {
    const counts = { all: this.statusOf.size } as Record<JobStatus | "all", number>;
    for (const status of STATUSES) counts[status] = 0;
    for (const status of this.statusOf.values()) counts[status] += 1;
    return { ids: this.members.slice(), counts };
  }
}
