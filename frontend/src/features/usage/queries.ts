import { api, read } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import { useUser } from "@/lib/auth/provider";
import { useResource } from "@/lib/resource";

export type DayOfUsage = components["schemas"]["DayOfUsage"];
export type Outlook = components["schemas"]["QuotaOutlook"];

const EVERY_MINUTE = { everyMs: 60_000 };

export function useUsageReport() {
  const { id } = useUser();
  return useResource(
    `usage:${id}`,
    async (signal) => {
      const [report, outlook] = await Promise.all([
        read(api.GET("/usage", { signal })),
        read(api.GET("/summaries/quota-forecast", { signal })),
      ]);
      return { report, outlook: outlook.forecast };
    },
    EVERY_MINUTE,
  );
}

export function useSummaries(days: number) {
  const { id } = useUser();
  const params = { query: { days } };
  return useResource(
    `summaries:${id}:${days}`,
    async (signal) => {
      const [trend, overview, success, latency] = await Promise.all([
        read(api.GET("/summaries/usage-trend", { params, signal })),
        read(api.GET("/summaries/jobs-overview", { params, signal })),
        read(api.GET("/summaries/success-rate", { params, signal })),
        read(api.GET("/summaries/latency", { params, signal })),
      ]);
      return { trend, overview, success, latency };
    },
    EVERY_MINUTE,
  );
}
