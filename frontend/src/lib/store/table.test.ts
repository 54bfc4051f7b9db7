import { describe, expect, it } from "vitest";
import { compileSearch } from "../search/evaluate";
import { parseSearch } from "../search/parse";
import { isAfter, toSortable } from "./rows";
import { JobTable } from "./table";
import { buildRow } from "./testing";
import { JobView } from "./view";

function at(second: number): string {
  return `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;
}

describe("times", () => {
  it("sort with and without decimals", () => {
    expect(isAfter("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00Z")).toBe(true);
    expect(isAfter("2026-01-01T00:00:00.500Z", "2026-01-01T00:00:00.5Z")).toBe(false);
    expect(toSortable("2026-01-01T00:00:00Z")).toHaveLength(25);
  });
});

describe("JobTable", () => {
  it("keeps the newest version, whatever arrives last", () => {
    const table = new JobTable();
    const newer = buildRow({ status: "RUNNING", updated_at: at(2), version: 2 });
    table.putRow(newer);
    table.putRow(buildRow({ updated_at: at(1) }));
    const old = {
      id: "job-1",
      status: "PENDING",
      attempts: 0,
      updated_at: at(1),
      last_error: null,
    };
    table.putFrame({ ...old, status: "PENDING" });
    expect(table.get("job-1")).toBe(newer);
    expect(table.unread.size).toBe(0);
  });

  it("remembers what a frame has announced until a row is as new", () => {
    const table = new JobTable();
    table.putRow(buildRow());
    const frame = { id: "job-1", attempts: 1, updated_at: at(5), last_error: "no" };
    table.putFrame({ ...frame, status: "FAILED" });
    expect(table.get("job-1")).toMatchObject({ status: "FAILED", finished_at: at(5) });
    table.putRow(buildRow({ updated_at: at(4), version: 2 }));
    expect(table.unread.get("job-1")).toBe(at(5));
    table.putRow(buildRow({ status: "FAILED", updated_at: at(5), version: 3 }));
    expect(table.unread.size).toBe(0);
    expect(table.get("job-1")?.version).toBe(3);
  });

  it("moves a row whose time was only assumed", () => {
    const table = new JobTable();
    for (const [id, second] of [
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ] as const) {
      table.putRow(buildRow({ id, created_at: at(second) }));
    }
    expect(table.ids).toEqual(["c", "b", "a"]);
    table.putRow(buildRow({ id: "a", created_at: at(9), updated_at: at(9), version: 2 }));
    expect(table.ids).toEqual(["a", "c", "b"]);
  });

  it("shows a change that is not confirmed, and takes it back", () => {
    const table = new JobTable();
    const row = buildRow();
    table.putRow(row);
    table.overlay("job-1", { cancel_requested: true });
    const shown = table.get("job-1");
    expect(shown?.cancel_requested).toBe(true);
    expect(table.get("job-1")).toBe(shown);
    table.overlay("job-1", undefined);
    expect(table.get("job-1")).toBe(row);
  });
});

describe("JobView", () => {
  it("equals a new view after every change", () => {
    const table = new JobTable();
    const filter = compileSearch(parseSearch("status:running,queued source:api"), {
      isBillable: () => true,
    });
    const view = new JobView(table, filter, () => 0);
    const stop = view.start();
    const statuses = ["PENDING", "RUNNING", "FAILED"] as const;
    let seed = 1;
    for (let step = 0; step < 600; step += 1) {
      seed = (seed * 48_271) % 2_147_483_647;
      const id = `job-${seed % 50}`;
      const status = statuses[seed % 3] ?? "PENDING";
      const version = step + 2;
      if (seed % 11 === 0) table.remove(id);
      else {
        const created_at = at(seed % 50);
        const updated_at = `2026-01-02T00:00:00.${String(step).padStart(6, "0")}Z`;
        table.putRow(buildRow({ id, status, created_at, updated_at, version }));
      }
      if (step % 3 === 0) table.publish();
    }
    table.publish();
    expect(view.getState()).toEqual(new JobView(table, filter, () => 0).getState());
    stop();
  });

  it("filters and counts 100,000 rows while they change", () => {
    const table = new JobTable();
    for (let index = 0; index < 100_000; index += 1) {
      const moment = new Date(index * 1_000).toISOString();
      const status = index % 7 === 0 ? "FAILED" : "COMPLETED";
      table.putRow(buildRow({ id: `job-${index}`, created_at: moment, status }));
    }
    table.publish();
    const isBillable = () => true;
    const view = new JobView(table, compileSearch(parseSearch("status:failed"), { isBillable }));
    const stop = view.start();
    for (let index = 0; index < 50; index += 1) {
      const created_at = new Date(index * 1_000).toISOString();
      const change = { updated_at: "2026-01-02T00:00:00Z", status: "FAILED", version: 2 } as const;
      table.putRow(buildRow({ id: `job-${index}`, created_at, ...change }));
      table.publish();
    }
    expect(view.getState().counts.FAILED).toBe(14_286 + 42);
    stop();
  });
});
