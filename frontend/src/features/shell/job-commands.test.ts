import { expect, it } from "vitest";
import type { JobRow } from "@/lib/store/rows";
import { findJobs } from "./job-commands";

function job(id: string, task_type: string, last_error: string | null = null): JobRow {
  return {
    id,
    task_type,
    last_error,
    status: "COMPLETED",
    priority: 5,
    attempts: 1,
    max_attempts: 3,
    source: "api",
    run_at: "",
    deadline_at: null,
    created_at: "",
    updated_at: "",
    started_at: null,
    finished_at: null,
    cancel_requested: false,
    progress: null,
    failure_reason: null,
    correlation_id: "",
    version: 1,
  };
}

const jobs = [
  job("0192-aa", "echo"),
  job("0192-bb", "crawl_site", "Timeout"),
  job("0192-cc", "echo"),
];
const rows = {
  ids: jobs.map(({ id }) => id),
  get: (id: string) => jobs.find((row) => row.id === id),
};
const ids = (query: string, limit = 8) => findJobs(rows, query, limit).map(({ id }) => id);

it("finds jobs by id, type and error, newest first, up to a limit", () => {
  expect(ids("ECHO")).toEqual(["0192-aa", "0192-cc"]);
  expect(ids("timeout")).toEqual(["0192-bb"]);
  expect(ids("-cc")).toEqual(["0192-cc"]);
  expect(ids("0192", 2)).toEqual(["0192-aa", "0192-bb"]);
  expect(ids("e")).toEqual([]);
});
