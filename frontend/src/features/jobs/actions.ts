"use client";

import { api, read } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import type { OwnData } from "@/lib/store/own-data";
import type { JobRow } from "@/lib/store/rows";

export type JobRequest = components["schemas"]["JobRequest"];
type Accepted = components["schemas"]["JobAccepted"];

/** Jobs that a bulk action asks for at the same time: more would only wait at the gateway. */
const AT_ONCE = 4;

/** Show a job at once and send it; the row goes away again when the gateway refuses it. */
export async function submitJob(
  data: OwnData | undefined,
  request: JobRequest,
  idempotencyKey: string,
): Promise<string> {
  const shown = buildOptimisticRow(request, idempotencyKey);
  data?.table.putRow(shown);
  data?.publishLocal();
  try {
    const accepted = await read(
      api.POST("/jobs", {
        params: { header: { "Idempotency-Key": idempotencyKey, "X-Client": "dashboard" } },
        body: request,
      }),
    );
    takeAccepted(data, shown, accepted);
    return accepted.id;
  } finally {
    data?.table.remove(shown.id);
    data?.publishLocal();
  }
}

/** Until it is read, the row is what was asked for; any version of the gateway replaces it. */
function takeAccepted(data: OwnData | undefined, shown: JobRow, accepted: Accepted): void {
  if (!data || data.table.get(accepted.id)) return;
  const { optimistic: _, ...row } = shown;
  data.putLocal({ ...row, ...accepted, version: 0, updated_at: BEGINNING });
  data.table.unread.set(accepted.id, shown.created_at);
  data.publishLocal();
}

const BEGINNING = "1970-01-01T00:00:00Z";

function buildOptimisticRow(request: JobRequest, key: string): JobRow {
  const moment = new Date().toISOString();
  return {
    id: `optimistic-${key}`,
    task_type: request.task_type,
    status: "PENDING",
    priority: request.priority ?? 5,
    attempts: 0,
    max_attempts: 3,
    source: "dashboard",
    run_at: request.run_at ?? moment,
    deadline_at: request.deadline_at ?? null,
    created_at: moment,
    updated_at: moment,
    started_at: null,
    finished_at: null,
    cancel_requested: false,
    progress: null,
    last_error: null,
    failure_reason: null,
    correlation_id: "",
    version: 0,
    queue: null,
    optimistic: true,
  };
}

export function canCancel(row: JobRow): boolean {
  const isActive = row.status === "PENDING" || row.status === "RUNNING";
  return isActive && !row.cancel_requested && !row.optimistic;
}

export function canRetry(row: JobRow): boolean {
  return row.status === "FAILED";
}

export function cancelJob(data: OwnData | undefined, id: string): Promise<void> {
  return changeAtOnce(data, id, { cancel_requested: true }, () =>
    read(
      api.POST("/jobs/{job_id}/cancel", {
        params: { path: { job_id: id }, header: { "Idempotency-Key": crypto.randomUUID() } },
      }),
    ),
  );
}

export function retryJob(data: OwnData | undefined, id: string): Promise<void> {
  const shown: Partial<JobRow> = { status: "PENDING", last_error: null, failure_reason: null };
  return changeAtOnce(data, id, { ...shown, finished_at: null, attempts: 0 }, () =>
    read(
      api.POST("/jobs/{job_id}/retry", {
        params: { path: { job_id: id }, header: { "Idempotency-Key": crypto.randomUUID() } },
      }),
    ),
  );
}

/** Show the change at once; take it back when the gateway refuses, or once it has been read. */
async function changeAtOnce(
  data: OwnData | undefined,
  id: string,
  shown: Partial<JobRow>,
  send: () => Promise<unknown>,
): Promise<void> {
  data?.table.overlay(id, shown);
  data?.publishLocal();
  try {
    await send();
    await data?.readAgain(id);
  } finally {
    data?.table.overlay(id, undefined);
    data?.publishLocal();
  }
}

export interface BulkOutcome {
  readonly done: number;
  readonly failures: readonly { readonly id: string; readonly error: unknown }[];
}

/** Apply an action to many jobs, a few at a time; a refusal does not stop the others. */
export async function runBulk(
  ids: readonly string[],
  action: (id: string) => Promise<void>,
): Promise<BulkOutcome> {
  const failures: { id: string; error: unknown }[] = [];
  const waiting = [...ids];
  const work = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        await action(id);
      } catch (error) {
        failures.push({ id, error });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { done: ids.length - failures.length, failures };
}
