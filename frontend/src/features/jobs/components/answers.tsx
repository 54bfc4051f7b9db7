"use client";

import Link from "next/link";
import { useMemo } from "react";
import { useAccount } from "@/lib/auth/provider";
import { formatAge, formatDay } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { compileSearch } from "@/lib/search/evaluate";
import { parseSearch } from "@/lib/search/parse";
import { useJobView, useOwnData, useOwnDataState } from "@/lib/store/provider";
import type { ViewFilter } from "@/lib/store/view";
import { Button } from "@/ui/button";
import { Bone } from "@/ui/skeleton";
import { StatusIcon } from "@/ui/status-badge";
import { type Answer, AnswerStrip } from "@/ui/strip";
import { jobStrings } from "../strings";
import { useNow } from "../use-now";

const FAILED = "status:failed age:<1d";
const compile = (text: string): ViewFilter =>
  compileSearch(parseSearch(text), { isBillable: () => true });
const ACTIVE_FILTER = compile("status:running,queued");
const FAILED_FILTER = compile(FAILED);

/** What is happening, what needs me, what does it cost. */
export function Answers() {
  const t = useStrings(jobStrings);
  const { phase } = useOwnDataState();
  const now = useNowAnswer();
  const needs = useNeedsAnswer();
  const cost = useCostAnswer();
  // Before the first rows, "nothing" would be a claim.
  const answers = phase === "empty" ? [toUnknown(now), toUnknown(needs), cost] : [now, needs, cost];
  return <AnswerStrip label={t("answers")} answers={answers} />;
}

function toUnknown({ label }: Answer): Answer {
  return { label, fact: <Bone className="my-2 w-32" />, reason: <Bone className="my-1 w-48" /> };
}

function useNowAnswer() {
  const t = useStrings(jobStrings);
  const data = useOwnData();
  const { ids, counts } = useJobView(ACTIVE_FILTER);
  const now = useNow();
  const oldest = useMemo(() => {
    const waiting = ids.filter((id) => data?.table.get(id)?.status === "PENDING");
    return data?.table.get(waiting.at(-1) ?? "");
  }, [ids, data]);
  const { RUNNING: running, PENDING: queued } = counts;
  return {
    label: t("now"),
    fact: (
      <>
        {running > 0 ? <StatusIcon status="RUNNING" className="!size-4" /> : null}
        <span className={running > 0 ? undefined : "font-medium text-fg-2"}>
          {running > 0 ? t("nowActive", { running }) : t("nowIdle")}
        </span>
      </>
    ),
    reason: oldest
      ? t("nowQueued", { count: queued, age: formatAge(now, oldest.created_at) })
      : t("nowNothingQueued"),
  };
}

function useNeedsAnswer() {
  const t = useStrings(jobStrings);
  const data = useOwnData();
  const { ids } = useJobView(FAILED_FILTER);
  const top = useMemo(() => {
    const counts = new Map<string, number>();
    for (const id of ids) {
      const row = data?.table.get(id);
      const reason = row?.failure_reason ?? row?.last_error;
      if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1])[0];
  }, [ids, data]);
  if (ids.length === 0) {
    const fact = <span className="font-medium text-fg-2">{t("needsNothing")}</span>;
    return { label: t("needsYou"), fact, reason: t("noFailures") };
  }
  return {
    label: t("needsYou"),
    fact: (
      <>
        <StatusIcon status="FAILED" className="!size-4" />
        <span className="truncate pr-24">{t("failedToday", { count: ids.length })}</span>
      </>
    ),
    reason: top ? t("failedWhy", { count: top[1], reason: top[0] }) : undefined,
    action: (
      <Button asChild size="small">
        <Link href={`/jobs?${new URLSearchParams({ q: FAILED })}`} prefetch={false}>
          {t("review", { count: ids.length })}
        </Link>
      </Button>
    ),
  };
}

function useCostAnswer() {
  const t = useStrings(jobStrings);
  const locale = useLocale();
  const { usage } = useAccount();
  const used = usage?.jobs_used ?? 0;
  const held = usage?.jobs_reserved ?? 0;
  const limit = usage?.jobs_limit;
  const date = usage ? formatDay(locale, usage.period_end) : "";
  return {
    label: t("cost"),
    fact: t("unitsUsed", { count: used }),
    reason: !usage
      ? t("freeUntilFirst")
      : limit === null || limit === undefined
        ? t("unitsUnlimited", { held })
        : t("unitsLimit", { held, limit, date }),
  };
}
