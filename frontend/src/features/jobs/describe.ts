import { printDuration } from "@/lib/search/print";
import { isFinal, type JobRow } from "@/lib/store/rows";
import type { JobText } from "./strings";

/** What the list says about a job beside its status: why it waits, what it does, why it failed. */
export function describeJob(row: JobRow, t: JobText, now: number): string {
  switch (row.status) {
    case "PENDING":
      return describeWaiting(row, t, now);
    case "RUNNING":
      return describeRunning(row, t);
    case "FAILED":
      return row.last_error ?? row.failure_reason ?? t("failedWithoutReason");
    case "COMPLETED":
    case "CANCELLED":
      return "";
  }
}

function describeWaiting(row: JobRow, t: JobText, now: number): string {
  if (row.optimistic) return t("sending");
  if (row.cancel_requested) return t("cancelling");
  const { queue } = row;
  const start = queue?.estimated_start_at ?? (queue?.reason === "scheduled" ? row.run_at : null);
  const inMs = start === null ? 0 : Date.parse(start) - now;
  const when = inMs > 500 ? t("startsIn", { time: roughly(inMs) }) : undefined;
  const reason = queue?.reason ? t(`waits_${queue.reason}`) : undefined;
  const place = queue && !when && queue.position > 1 ? t("place", { count: queue.position }) : "";
  const again = row.attempts > 0 ? t("waitsAgain", { attempt: row.attempts + 1 }) : undefined;
  return [again, reason, when, place].filter(Boolean).join(" · ") || t("startsSoon");
}

function describeRunning(row: JobRow, t: JobText): string {
  if (row.cancel_requested) return t("cancelling");
  const { percent = null, message = null } = row.progress ?? {};
  const share = percent === null ? undefined : `${percent} %`;
  return [share, message].filter(Boolean).join(" · ");
}

/** One or two figures are enough for an estimate. */
function roughly(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const [size, unit] =
    seconds < 3_600 ? [60, "m"] : seconds < 86_400 ? [3_600, "h"] : [86_400, "d"];
  return `${Math.round(seconds / Number(size))} ${unit}`;
}

/** Milliseconds of work, until now for a running job; undefined before it has started. */
export function getWorkedMs(row: JobRow, now: number): number | undefined {
  if (row.started_at === null || row.status === "PENDING") return undefined;
  const end = row.finished_at === null ? now : Date.parse(row.finished_at);
  return Math.max(0, end - Date.parse(row.started_at));
}

/** Attempts so far, the present one included; `attempts` counts those that have failed. */
export function getTries(row: JobRow): number {
  return row.attempts + (row.status === "COMPLETED" || row.status === "RUNNING" ? 1 : 0);
}

/** What a job costs: a unit is held while it may still complete, and charged once it has. */
export function getCost(row: JobRow, isBillable: boolean): "charged" | "held" | "none" {
  if (!isBillable) return "none";
  if (row.status === "COMPLETED") return "charged";
  return isFinal(row.status) ? "none" : "held";
}

export function toAgeTerm(milliseconds: number): string {
  return `age:<${printDuration(milliseconds)}`;
}
