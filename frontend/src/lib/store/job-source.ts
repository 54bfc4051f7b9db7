import { api, read } from "@/lib/api/client";
import { ApiError } from "@/lib/api/problems";
import { openStream } from "@/lib/sse/stream";
import type { JobRow } from "./rows";
import type { JobSource } from "./source";

const LARGEST_PAGE = 100;

/** The gateway behind the same origin. */
export const gatewaySource: JobSource = {
  readPage: (cursor, limit) =>
    cursor === undefined && limit > LARGEST_PAGE
      ? read(api.GET("/jobs/snapshot", { params: { query: { limit } } }))
      : read(api.GET("/jobs", { params: { query: { limit, ...(cursor && { cursor }) } } })),
  readJob: async (id) => {
    try {
      const { params: _, ...row } = await read(
        api.GET("/jobs/{job_id}", { params: { path: { job_id: id } } }),
      );
      return row satisfies JobRow;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  },
  follow: (lastEventId, onEvent, onState) =>
    openStream({ url: "/api/v1/jobs/stream?rows=true", lastEventId, onEvent, onState }),
};
