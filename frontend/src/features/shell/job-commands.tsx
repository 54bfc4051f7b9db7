"use client";

import { useRouter } from "next/navigation";
import { type Command, useCommandSource } from "@/lib/commands/registry";
import { useStrings } from "@/lib/i18n/provider";
import { shellStrings } from "@/lib/i18n/strings/shell";
import { statusStrings } from "@/lib/i18n/strings/status";
import { useOwnData } from "@/lib/store/provider";
import type { JobRow } from "@/lib/store/rows";
import { StatusIcon } from "@/ui/status-badge";

const SHORTEST_QUERY = 2;

type Rows = { readonly ids: readonly string[]; get(id: string): JobRow | undefined };

/** The newest jobs whose type begins with, or whose id or error contains, the text. */
export function findJobs(rows: Rows, query: string, limit: number): JobRow[] {
  const wish = query.toLowerCase();
  const found: JobRow[] = [];
  if (wish.length < SHORTEST_QUERY) return found;
  for (const id of rows.ids) {
    const row = rows.get(id);
    const texts = [id, row?.task_type, row?.last_error?.toLowerCase()];
    if (row && texts.some((text) => text?.includes(wish))) found.push(row);
    if (found.length === limit) break;
  }
  return found;
}

/** Finds own jobs from memory. */
export function useJobCommands(): void {
  const t = useStrings(shellStrings);
  const tStatus = useStrings(statusStrings);
  const router = useRouter();
  const data = useOwnData();
  useCommandSource((query, limit) =>
    findJobs(data?.table ?? { ids: [], get: () => undefined }, query, limit).map(
      (row): Command => ({
        id: `job-${row.id}`,
        title: row.task_type,
        detail: `${row.id.slice(-8)} · ${tStatus(row.status)}`,
        group: t("jobs"),
        icon: <StatusIcon status={row.status} />,
        run: () => router.push(`/jobs/${row.id}`),
      }),
    ),
  );
}
