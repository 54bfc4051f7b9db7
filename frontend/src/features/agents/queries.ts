"use client";

import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { api, read } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import { useResource } from "@/lib/resource";
import { openStream } from "@/lib/sse/stream";
import { useOwnData } from "@/lib/store/provider";
import type { RunState, RunSummary, WorkflowType } from "./model";
import { RunFeed, type RunSnapshot } from "./run-feed";
import type { Passage } from "./verify";

export type TaskType = components["schemas"]["TaskType"];
export type RunFilter = { readonly type?: WorkflowType; readonly state?: RunState };

const PAGE = 50;
const SETTLE_MS = 400;
const PREFIX = "workflow.";

/** Changes with every change of a job that is a run: runs are jobs, which the page has live. */
function useRunsVersion(): number {
  const data = useOwnData();
  const [version, setVersion] = useState(0);
  useEffect(() => {
    if (!data) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const leave = data.table.subscribe((change) => {
      const isRun = (id: string) => data.table.get(id)?.task_type.startsWith(PREFIX);
      if (change !== "all" && ![...change].some(isRun)) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        setVersion((before) => before + 1);
      }, SETTLE_MS);
    });
    return () => {
      clearTimeout(timer);
      leave();
    };
  }, [data]);
  return version;
}

/** The newest runs, read again whenever one of them changes; `pages` are read one after another. */
export function useRuns(filter: RunFilter, pages: number) {
  const version = useRunsVersion();
  const key = `runs:${filter.type ?? ""}:${filter.state ?? ""}:${pages}`;
  const runs = useResource(
    key,
    async (signal) => {
      const items: RunSummary[] = [];
      let cursor: string | null = null;
      for (let page = 0; page < pages; page += 1) {
        const query = { ...filter, limit: PAGE, ...(cursor && { cursor }) };
        const answer: components["schemas"]["AgentRunPage"] = await read(
          api.GET("/agents/runs", { params: { query }, signal }),
        );
        items.push(...answer.items);
        cursor = answer.next_cursor;
        if (cursor === null) break;
      }
      return { items, hasMore: cursor !== null };
    },
    { everyMs: 15_000 },
  );
  const { reload } = runs;
  const seen = useRef(version);
  useEffect(() => {
    if (seen.current !== version) void reload();
    seen.current = version;
  }, [version, reload]);
  return runs;
}

async function loadRun(id: string, signal: AbortSignal): Promise<RunSnapshot> {
  const path = { params: { path: { run_id: id } }, signal };
  const [run, steps, approvals] = await Promise.all([
    read(api.GET("/agents/runs/{run_id}", path)),
    read(api.GET("/agents/runs/{run_id}/steps", path)),
    read(api.GET("/agents/runs/{run_id}/approvals", path)),
  ]);
  return { run, steps: steps.items, approvals: approvals.items };
}

/** One run, live as long as it is shown. */
export function useRunFeed(id: string) {
  const feed = useMemo(
    () =>
      new RunFeed({
        url: `/api/v1/agents/runs/${id}/stream`,
        load: (signal) => loadRun(id, signal),
        open: openStream,
      }),
    [id],
  );
  useEffect(() => {
    feed.start();
    return () => feed.stop();
  }, [feed]);
  const state = useSyncExternalStore(feed.subscribe, feed.getState, feed.getState);
  return { ...state, read: feed.read };
}

export function useWorkflows() {
  return useResource("workflows", async (signal) => {
    const [types, ceilings] = await Promise.all([
      read(api.GET("/task-types", { signal })),
      read(api.GET("/agents/ceilings", { signal })),
    ]);
    return {
      types: types.items.filter(({ task_type: name }) => name.startsWith(PREFIX)),
      ceilings,
    };
  });
}

export async function submitRun(
  workflow: WorkflowType,
  params: Record<string, unknown>,
  key: string,
): Promise<string> {
  const accepted = await read(
    api.POST("/agents/workflows/{workflow_type}/runs", {
      params: {
        path: { workflow_type: workflow },
        header: { "Idempotency-Key": key, "X-Client": "dashboard" },
      },
      body: params,
    }),
  );
  return accepted.id;
}

/** A run is a job, and is stopped as one. */
export async function stopRun(id: string): Promise<void> {
  await read(
    api.POST("/jobs/{job_id}/cancel", {
      params: { path: { job_id: id }, header: { "Idempotency-Key": crypto.randomUUID() } },
    }),
  );
}

const ofRun = (run_id: string, key: string) => ({
  path: { run_id },
  header: { "Idempotency-Key": key },
});

export async function decide(
  runId: string,
  approvalId: string,
  approved: boolean,
  key: string,
): Promise<void> {
  const body = { approval_id: approvalId, approved };
  await read(api.POST("/agents/runs/{run_id}/approve", { params: ofRun(runId, key), body }));
}

export async function answer(
  runId: string,
  approvalId: string,
  given: Record<string, unknown>,
  key: string,
): Promise<void> {
  const body = { approval_id: approvalId, answer: given };
  await read(api.POST("/agents/runs/{run_id}/resume", { params: ofRun(runId, key), body }));
}

export function readPassage(
  runId: string,
  { sha256, start, end }: { sha256: string; start: number; end: number },
  whole: boolean,
): Promise<Passage> {
  const path = { run_id: runId, sha256 };
  return read(
    api.GET("/agents/runs/{run_id}/passages/{sha256}", {
      params: { path, query: { start, end, whole } },
    }),
  );
}
