import type { Persistence, Saved, SavedChange } from "./persistence";
import type { JobRow } from "./rows";
import { type JobSource, REAL_TIMERS, type Timers } from "./source";
import { type Position, Sync, type SyncLimits, type SyncState } from "./sync";
import { type Change, JobTable } from "./table";

/** What tabs of one user say to each other; the leader alone talks to the gateway. */
type TabMessage =
  | { readonly kind: "join"; readonly from: string }
  | { readonly kind: "all"; readonly to?: string; readonly saved: Saved; readonly state: Shared }
  | { readonly kind: "change"; readonly number: number; readonly change: SavedChange }
  | { readonly kind: "state"; readonly state: Shared }
  | { readonly kind: "put"; readonly row: JobRow }
  | { readonly kind: "older" | "reconnect" | "wipe" };

interface Shared extends Omit<SyncState, "error"> {
  readonly number: number;
}

export interface Channel {
  post(message: unknown): void;
  listen(listener: (message: unknown) => void): void;
  close(): void;
}

/** Calls `lead` once this tab is the leader; it stays the leader until the result is called. */
export type Election = (lead: () => void) => () => void;

export interface OwnDataState extends SyncState {
  readonly isLeader: boolean;
  /** Whether older rows exist that are not in the table. */
  readonly hasOlder: boolean;
}

export interface OwnDataOptions {
  readonly source: JobSource;
  readonly persistence?: Persistence | undefined;
  readonly channel?: Channel | undefined;
  readonly elect?: Election;
  readonly timers?: Timers;
  readonly limits?: SyncLimits;
  readonly tabId: string;
  readonly isVisible?: () => boolean;
  readonly onAccount?: (data: string) => void;
}

const SAVE_MS = 500;
const NOWHERE: Position = { cursor: undefined, older: null, syncedAt: 0 };
const INITIAL: SyncState = {
  phase: "empty",
  link: { kind: "connecting" },
  lostSince: undefined,
  asOf: 0,
  isReading: false,
  error: undefined,
};

/** The user's own data in this tab: led by one tab of the browser, mirrored by the others. */
export class OwnData {
  readonly table = new JobTable();
  private sync: Sync | undefined;
  private mirrored: SyncState = INITIAL;
  private position = NOWHERE;
  private number = 0;
  /** Whether a message of the leader is missing, so that the rows cannot be continued from. */
  private isBroken = false;
  private unsaved: Set<string> | "all" = new Set();
  private cancelSave: (() => void) | undefined;
  private resign: (() => void) | undefined;
  private stopped = false;
  private readonly timers: Timers;
  private readonly listeners = new Set<() => void>();
  private state: OwnDataState = { ...INITIAL, isLeader: false, hasOlder: false };

  constructor(private readonly options: OwnDataOptions) {
    this.timers = options.timers ?? REAL_TIMERS;
  }

  getState = (): OwnDataState => this.state;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  async start(): Promise<void> {
    const { persistence, channel, elect, tabId } = this.options;
    channel?.listen((message) => this.receive(message as TabMessage));
    const saved = await persistence?.load();
    if (this.stopped) return;
    if (saved && this.mirrored.phase === "empty") this.restore(saved, "ready");
    this.post({ kind: "join", from: tabId });
    const lead = () => this.lead();
    if (elect) this.resign = elect(lead);
    else lead();
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.save();
    this.sync?.close();
    this.resign?.();
    this.options.channel?.close();
  }

  /** Delete everything, here and in the other tabs: the user signs out. */
  async wipe(): Promise<void> {
    this.post({ kind: "wipe" });
    this.forget();
    await this.options.persistence?.wipe();
  }

  putLocal(row: JobRow): void {
    if (this.sync) {
      this.sync.putLocal(row);
      return;
    }
    this.table.putRow(row);
    this.table.publish();
    if (!row.optimistic) this.post({ kind: "put", row });
  }

  /** Show changes of the table that only this tab knows, such as an optimistic row. */
  publishLocal(): void {
    this.change();
  }

  /** Read one job now, because this tab has just changed it. */
  async readAgain(id: string): Promise<void> {
    try {
      const row = await this.options.source.readJob(id);
      if (row) this.putLocal(row);
    } catch {
      // The stream brings the change as well.
    }
  }

  readOlder(): void {
    if (this.sync) void this.sync.readOlder();
    else this.post({ kind: "older" });
  }

  reconnect(): void {
    if (this.sync) this.sync.reconnect();
    else this.post({ kind: "reconnect" });
  }

  private lead(): void {
    if (this.stopped) return;
    const { source, timers, limits, isVisible, onAccount } = this.options;
    this.sync = new Sync({
      table: this.table,
      source,
      start: this.mirrored.phase === "ready" && !this.isBroken ? this.position : undefined,
      onChange: () => this.change(),
      ...(timers && { timers }),
      ...(limits && { limits }),
      ...(isVisible && { isVisible }),
      ...(onAccount && { onAccount }),
    });
    this.number += 1;
    this.post({ kind: "all", saved: this.collect(), state: this.share() });
    this.change();
  }

  private receive(message: TabMessage): void {
    if (this.stopped) return;
    if (message.kind === "wipe") this.forget();
    else if (this.sync) this.serve(message, this.sync);
    else this.mirror(message);
  }

  private serve(message: TabMessage, sync: Sync): void {
    if (message.kind === "join") {
      this.post({ kind: "all", to: message.from, saved: this.collect(), state: this.share() });
    }
    if (message.kind === "put") sync.putLocal(message.row);
    if (message.kind === "older") void sync.readOlder();
    if (message.kind === "reconnect") sync.reconnect();
  }

  private mirror(message: TabMessage): void {
    if (message.kind === "all" && (message.to ?? this.options.tabId) === this.options.tabId) {
      this.number = message.state.number;
      this.isBroken = false;
      this.restore(message.saved, message.state.phase);
      this.adopt(message.state);
    } else if (message.kind === "state") {
      this.adopt(message.state);
    } else if (message.kind === "change") {
      if (message.number !== this.number + 1) {
        this.isBroken = true;
        this.post({ kind: "join", from: this.options.tabId });
        return;
      }
      this.number = message.number;
      this.copy(message.change);
    }
  }

  /** Take over what the leader has changed. */
  private copy({ put, removed, unread, bottom, position }: SavedChange): void {
    for (const id of removed ?? []) this.table.remove(id);
    for (const row of put) this.table.replace(row);
    this.table.continueWith(unread, bottom);
    this.position = position;
    this.table.publish();
    this.update();
  }

  private restore(saved: Saved, phase: SyncState["phase"]): void {
    this.table.restore(saved.rows, saved.unread, saved.bottom);
    this.position = saved.position;
    this.mirrored = { ...this.mirrored, phase };
    this.table.publish();
    this.update();
  }

  private adopt(state: Shared): void {
    const { number: _, ...shared } = state;
    this.mirrored = { ...this.mirrored, ...shared };
    this.update();
  }

  /** Something changed in this tab: tell its listeners, and as the leader also the other tabs. */
  private change(): void {
    const change = this.table.publish();
    if (this.sync && !this.stopped) {
      this.position = this.sync.position;
      this.spread(change);
      this.saveLater(change);
    }
    this.update();
  }

  private spread(change: Change): void {
    if (!this.options.channel) return;
    this.number += 1;
    if (change === "all") {
      this.post({ kind: "all", saved: this.collect(), state: this.share() });
    } else {
      this.post({ kind: "change", number: this.number, change: this.collectChange(change) });
      this.post({ kind: "state", state: this.share() });
    }
  }

  private saveLater(change: Change): void {
    if (!this.options.persistence) return;
    if (change === "all") this.unsaved = "all";
    else if (this.unsaved !== "all") for (const id of change) this.unsaved.add(id);
    this.cancelSave ??= this.timers.after(SAVE_MS, () => this.save());
  }

  private save(): void {
    if (!this.cancelSave) return;
    this.cancelSave();
    this.cancelSave = undefined;
    const change = this.collectChange(this.unsaved);
    this.unsaved = new Set();
    if (this.sync?.state.phase === "ready") void this.options.persistence?.save(change);
  }

  private forget(): void {
    this.cancelSave?.();
    this.cancelSave = undefined;
    this.stop();
    this.table.clear();
    this.table.publish();
    this.update();
  }

  private collect(): Saved {
    const { unread, bottom } = this.table;
    const rows = [...this.table.entries()].filter((row) => !row.optimistic);
    return { rows, unread: [...unread], bottom, position: this.position };
  }

  private collectChange(change: Change): SavedChange {
    if (change === "all") {
      const { rows, ...rest } = this.collect();
      return { ...rest, put: rows, removed: undefined };
    }
    const put: JobRow[] = [];
    const removed: string[] = [];
    for (const id of change) {
      const row = this.table.getStored(id);
      if (!row) removed.push(id);
      else if (!row.optimistic) put.push(row);
    }
    const { unread, bottom } = this.table;
    return { put, removed, unread: [...unread], bottom, position: this.position };
  }

  private share(): Shared {
    const { error: _, ...shared } = this.sync?.state ?? this.mirrored;
    return { ...shared, number: this.number };
  }

  private post(message: TabMessage): void {
    if (!this.stopped || message.kind === "wipe") this.options.channel?.post(message);
  }

  /** The state changes seldom; rows are followed in the table. */
  private update(): void {
    const next: OwnDataState = {
      ...(this.sync?.state ?? this.mirrored),
      isLeader: this.sync !== undefined,
      hasOlder: this.position.older !== null,
    };
    const names = Object.keys(next) as (keyof OwnDataState)[];
    if (names.every((name) => next[name] === this.state[name])) return;
    this.state = next;
    for (const listener of this.listeners) listener();
  }
}
