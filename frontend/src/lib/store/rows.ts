/** The rows of the store: what `GET /jobs` lists, and the frames that change them. */

export const STATUSES = ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"] as const;
export type JobStatus = (typeof STATUSES)[number];

export interface Progress {
  readonly percent?: number | null;
  readonly message?: string | null;
}

export interface QueueState {
  readonly reason: "plan_concurrency" | "topic_window" | "scheduled" | "paused" | null;
  readonly position: number;
  readonly estimated_start_at: string | null;
}

/** The page that a job is about. */
export interface Target {
  readonly host: string;
  readonly path: string;
}

export interface JobRow {
  readonly id: string;
  readonly task_type: string;
  readonly status: JobStatus;
  readonly priority: number;
  readonly attempts: number;
  readonly max_attempts: number;
  readonly source: "dashboard" | "api" | "agent" | "schedule" | "replay";
  readonly run_at: string;
  readonly deadline_at: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly cancel_requested: boolean;
  readonly progress: Progress | null;
  readonly last_error: string | null;
  readonly failure_reason: string | null;
  readonly correlation_id: string;
  readonly version: number;
  readonly queue?: QueueState | null;
  readonly target?: Target | null;
  readonly api_key?: { readonly id: string; readonly name: string } | null;
  /** Shown before the gateway has accepted it; never stored. */
  readonly optimistic?: boolean;
}

/** The frame of the event `job`. */
export interface JobFrame {
  readonly id: string;
  readonly status: JobStatus;
  readonly attempts: number;
  readonly updated_at: string;
  readonly last_error: string | null;
}

export interface ProgressFrame extends Progress {
  readonly id: string;
}

export function isFinal(status: JobStatus): boolean {
  return status !== "PENDING" && status !== "RUNNING";
}

/** A time of the API as text that sorts by time: it has as many decimals as it needs. */
export function toSortable(moment: string): string {
  const decimals = moment.charAt(19) === "." ? moment.slice(20, -1) : "";
  return moment.slice(0, 19) + decimals.padEnd(6, "0");
}

export function isAfter(moment: string, other: string): boolean {
  return moment !== other && toSortable(moment) > toSortable(other);
}

/** The place of a row in the list: newest first is descending order of keys. */
export function toKey(row: Pick<JobRow, "created_at" | "id">): string {
  return toSortable(row.created_at) + row.id;
}

/** What a frame says about a row; the rest is read from the gateway afterwards. */
export function withFrame(row: JobRow, frame: JobFrame): JobRow {
  const { status, attempts, updated_at, last_error } = frame;
  const isRunning = status === "RUNNING";
  const hasStarted = isRunning && row.status !== "RUNNING";
  return {
    ...row,
    status,
    attempts,
    updated_at,
    last_error,
    queue: status === "PENDING" ? (row.queue ?? null) : null,
    started_at: hasStarted ? updated_at : row.started_at,
    finished_at: isFinal(status) ? (row.finished_at ?? updated_at) : null,
    failure_reason: status === "FAILED" ? row.failure_reason : null,
  };
}
