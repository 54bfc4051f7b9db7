"use client";

import { useCallback } from "react";
import { api, read } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import { type Resource, useResource } from "@/lib/resource";

export type TaskType = components["schemas"]["TaskType"];

/** The task types, each with the JSON Schema of its parameters. */
export function useCatalogue(): Resource<readonly TaskType[]> {
  return useResource("task-types", async (signal) => {
    const { items } = await read(api.GET("/task-types", { signal }));
    return items;
  });
}

/** Until the catalogue is read, every type counts as billable: most are. */
export function useIsBillable(): (taskType: string) => boolean {
  const { data } = useCatalogue();
  return useCallback(
    (taskType) => data?.find((type) => type.task_type === taskType)?.billable ?? true,
    [data],
  );
}
