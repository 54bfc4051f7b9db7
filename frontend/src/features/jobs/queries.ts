"use client";

import { useEffect, useRef } from "react";
import { api, read } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import { type Resource, useResource } from "@/lib/resource";
import { useJobRow, useOwnData } from "@/lib/store/provider";
import { isFinal, type JobRow } from "@/lib/store/rows";
import type { Happening } from "./spans";

type Schemas = components["schemas"];
export type JobFile = Schemas["JobFile"];
export type JobResult = Schemas["JobResult"];

export interface JobDetail {
  /** From the store as soon as it is there, so that the page is drawn at once. */
  readonly row: JobRow | undefined;
  readonly params: Resource<Record<string, unknown> | null>;
  readonly timeline: Resource<readonly Happening[]>;
}

/** A job and its timeline; both are read again whenever the stream brings a change. */
export function useJobDetail(id: string): JobDetail {
  const data = useOwnData();
  const stored = useJobRow(id);
  const job = useResource(`job:${id}`, (signal) =>
    read(api.GET("/jobs/{job_id}", { params: { path: { job_id: id } }, signal })),
  );
  const timeline = useResource(`timeline:${id}`, async (signal) => {
    const path = { params: { path: { job_id: id } }, signal };
    const { items } = await read(api.GET("/jobs/{job_id}/timeline", path));
    return items;
  });
  const fetched = job.data;
  useEffect(() => {
    if (!fetched) return;
    const { params: _, ...row } = fetched;
    data?.putLocal(row);
  }, [fetched, data]);

  const reload = useRef(timeline.reload);
  reload.current = timeline.reload;
  const seen = useRef(stored?.updated_at);
  const updatedAt = stored?.updated_at;
  useEffect(() => {
    if (seen.current !== undefined && seen.current !== updatedAt) void reload.current();
    seen.current = updatedAt;
  }, [updatedAt]);

  const params = { ...job, data: fetched ? ((fetched.params ?? null) as JobParams) : undefined };
  return { row: stored ?? fetched, params, timeline };
}

type JobParams = Record<string, unknown> | null;

/** Undefined until the job has ended: before that there is no result. */
export function useJobResult(row: JobRow): Resource<JobResult | undefined> {
  const isDone = row.status === "COMPLETED";
  return useResource(`result:${row.id}:${isDone}`, async (signal) => {
    if (!isDone) return undefined;
    return read(api.GET("/jobs/{job_id}/result", { params: { path: { job_id: row.id } }, signal }));
  });
}

export function useJobFiles(row: JobRow): Resource<readonly JobFile[]> {
  const hasEnded = isFinal(row.status);
  return useResource(`files:${row.id}:${hasEnded}`, async (signal) => {
    if (!hasEnded) return [];
    const path = { params: { path: { job_id: row.id } }, signal };
    const { items } = await read(api.GET("/jobs/{job_id}/artifacts", path));
    return items;
  });
}

/** Where the page shows a file of a job from: our own origin. */
export function getFileAddress(jobId: string, name: string): string {
  return `/files/${jobId}/${encodeURIComponent(name)}`;
}
