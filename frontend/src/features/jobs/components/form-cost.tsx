"use client";

import { useAccount } from "@/lib/auth/provider";
import { formatDay } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import type { TaskType } from "../catalogue";
import { formStrings } from "../form-strings";

/** What it will cost, and what is left of the plan. */
export function FormCost({ type, count }: { type: TaskType; count: number }) {
  const t = useStrings(formStrings);
  const locale = useLocale();
  const { usage } = useAccount();
  const limit = usage?.jobs_limit;
  const left =
    usage && typeof limit === "number"
      ? t("left", {
          count: Math.max(0, limit - usage.jobs_used - usage.jobs_reserved),
          date: formatDay(locale, usage.period_end),
        })
      : undefined;
  const cost = !type.billable ? t("costFree") : count > 1 ? t("costBatch", { count }) : t("cost");
  const limits = t("limits", { seconds: type.timeout_seconds, attempts: type.max_attempts });
  return (
    <p className="text-sm">
      <span className="font-medium">{cost}</span>
      <span className="text-fg-3">
        {left && type.billable ? ` · ${left}` : ""} · {limits}
      </span>
    </p>
  );
}
