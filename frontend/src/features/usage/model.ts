import type { components } from "@/lib/api/schema";
import type { DayOfUsage } from "./queries";

type Overview = components["schemas"]["JobsOverview"];
type Success = components["schemas"]["SuccessRate"];
type Latency = components["schemas"]["Latency"];

export type TypeRow = {
  type: string;
  jobs: number;
  share: number;
  failed: number;
  rate: number | null;
  p50: number | null;
  p95: number | null;
};

/** One row a task type, from three summaries of the gateway; nothing is added up here. */
export function rowsByType(overview: Overview, success: Success, latency: Latency): TypeRow[] {
  const rates = new Map(success.by_task.map((each) => [each.task_type, each.rate]));
  const times = new Map(latency.by_task.map((each) => [each.task_type, each.run_seconds]));
  return overview.by_task.map((each) => ({
    type: each.task_type,
    jobs: each.jobs,
    share: overview.total.jobs > 0 ? each.jobs / overview.total.jobs : 0,
    failed: each.failed,
    rate: rates.get(each.task_type) ?? null,
    p50: times.get(each.task_type)?.p50 ?? null,
    p95: times.get(each.task_type)?.p95 ?? null,
  }));
}

/** The days as CSV (RFC 4180). */
export function csvOfDays(days: readonly DayOfUsage[]): string {
  return ["day_utc,jobs", ...days.map(({ day, jobs }) => `${day},${jobs}`)].join("\r\n");
}

export function busiest(days: readonly DayOfUsage[]): DayOfUsage | undefined {
  return days.reduce<DayOfUsage | undefined>(
    (best, each) => (best && best.jobs >= each.jobs ? best : each),
    undefined,
  );
}
