import { expect, it } from "vitest";
import { busiest, csvOfDays, rowsByType } from "./model";

const COUNTS = { jobs: 4, pending: 0, running: 0, completed: 3, failed: 1, cancelled: 0 };
const SPREAD = { p50: 1, p95: 2, p99: 3 };

it("joins the summaries by task type", () => {
  const rows = rowsByType(
    {
      days: 1,
      total: { ...COUNTS, jobs: 8 },
      by_task: [
        { ...COUNTS, task_type: "echo" },
        { ...COUNTS, task_type: "crawl_site" },
      ],
      by_day: [],
      recent_failures: [],
    },
    {
      days: 1,
      total: { completed: 3, failed: 1, rate: 0.75 },
      by_task: [{ task_type: "echo", completed: 3, failed: 1, rate: 0.75 }],
      by_day: [],
      reasons: [],
    },
    {
      days: 1,
      total: null,
      by_task: [
        {
          task_type: "echo",
          jobs: 3,
          wait_seconds: SPREAD,
          run_seconds: SPREAD,
          end_to_end_seconds: SPREAD,
        },
      ],
    },
  );
  expect(rows[0]).toEqual({
    type: "echo",
    jobs: 4,
    share: 0.5,
    failed: 1,
    rate: 0.75,
    p50: 1,
    p95: 2,
  });
  expect(rows[1]).toMatchObject({ rate: null, p50: null });
});

it("writes days as CSV and finds the busiest", () => {
  const days = [
    { day: "2026-11-01", jobs: 3 },
    { day: "2026-11-02", jobs: 9 },
  ];
  expect(csvOfDays(days)).toBe("day_utc,jobs\r\n2026-11-01,3\r\n2026-11-02,9");
  expect(busiest(days)?.day).toBe("2026-11-02");
  expect(busiest([])).toBeUndefined();
});
