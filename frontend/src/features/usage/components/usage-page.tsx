"use client";

import { ChartColumn, CircleCheck, TriangleAlert } from "lucide-react";
import Link from "next/link";
import { useState } from "react";
import type { components } from "@/lib/api/schema";
import { formatAge, formatDate, formatDay, formatNumber, formatPercent } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { usageStrings } from "@/lib/i18n/strings/usage";
import { useNow } from "@/lib/use-now";
import { Button } from "@/ui/button";
import { Card, CardHead, Facts } from "@/ui/card";
import { ErrorState } from "@/ui/error-state";
import { Page } from "@/ui/page";
import { Bone, TableSkeleton } from "@/ui/skeleton";
import { StatePanel } from "@/ui/states";
import { AnswerStrip } from "@/ui/strip";
import { rowsByType } from "../model";
import { type Outlook, useSummaries, useUsageReport } from "../queries";
import { ByDay, type Range } from "./by-day";
import { PeriodsTable, TypesTable } from "./tables";

type Present = components["schemas"]["PresentPeriod"];

function UsageAnswers({ current, outlook }: { current: Present; outlook: Outlook | null }) {
  const t = useStrings(usageStrings);
  const locale = useLocale();
  const { jobs_used: used, jobs_reserved: held, jobs_limit: limit, resets_at } = current;
  const reset = formatDay(locale, resets_at);
  const exhausted = outlook?.exhausted_at ?? null;
  const share = formatPercent(locale, limit ? used / limit : 0);
  return (
    <AnswerStrip
      label={t("answers")}
      answers={[
        {
          label: t("now"),
          fact: (
            <>
              {formatNumber(locale, used)}
              <span className="font-normal text-fg-3">
                {limit === null ? t("jobs") : t("ofLimit", { limit })}
              </span>
            </>
          ),
          reason: limit === null ? t("noLimit") : t("usedShare", { share, held }),
        },
        exhausted
          ? {
              label: t("needsYou"),
              fact: (
                <>
                  <TriangleAlert aria-hidden className="size-4 text-need" />
                  {t("hits", { date: formatDay(locale, exhausted) })}
                </>
              ),
              reason: t("hitsReason", { reset }),
            }
          : {
              label: t("needsYou"),
              fact: (
                <span className="flex items-center gap-1.5 font-medium text-fg-2">
                  <CircleCheck aria-hidden className="size-4 text-ok" />
                  {t("nothing")}
                </span>
              ),
              reason: limit === null ? t("noLimit") : t("lasts", { date: reset }),
            },
        {
          label: t("cost"),
          fact: t("charged", { count: used }),
          reason: outlook
            ? t("chargedReason", { expected: outlook.expected_by_reset, reset })
            : t("freeReason"),
        },
      ]}
    />
  );
}

function Forecast({ outlook }: { outlook: Outlook }) {
  const t = useStrings(usageStrings);
  const locale = useLocale();
  return (
    <Card>
      <CardHead title={t("forecast")} />
      <div className="p-4">
        <Facts
          items={[
            [t("pace"), t("paceValue", { count: Math.round(outlook.jobs_per_day * 10) / 10 })],
            [t("expected"), formatNumber(locale, outlook.expected_by_reset)],
            [
              t("limit"),
              outlook.jobs_limit === null ? t("none") : formatNumber(locale, outlook.jobs_limit),
            ],
            [
              t("exhausted"),
              outlook.exhausted_at ? formatDate(locale, outlook.exhausted_at) : t("notReached"),
            ],
            [t("resets"), formatDate(locale, outlook.resets_at)],
            [t("method"), t("methodValue")],
          ]}
        />
      </div>
    </Card>
  );
}

function UsageSkeleton() {
  const t = useStrings(commonStrings);
  return (
    <>
      <Card className="grid gap-3 p-4 tablet:grid-cols-3">
        {["a", "b", "c"].map((key) => (
          <div key={key} className="grid gap-2">
            <Bone className="w-12" />
            <Bone className="!h-4 w-40" />
            <Bone className="w-56" />
          </div>
        ))}
      </Card>
      <Card className="h-[300px]" />
      <TableSkeleton rows={4} label={t("loading")} />
    </>
  );
}

function UsageBody({ usage }: { usage: ReturnType<typeof useUsageReport> }) {
  const t = useStrings(usageStrings);
  const [range, setRange] = useState<Range>("30");
  const summaries = useSummaries(Number(range));
  const error = usage.error ?? summaries.error;
  if (!usage.data) {
    return usage.error ? (
      <ErrorState error={usage.error} onRetry={() => void usage.reload()} />
    ) : (
      <UsageSkeleton />
    );
  }
  const { report, outlook } = usage.data;
  const { data } = summaries;
  if (!report.current && report.earlier.length === 0) {
    return (
      <StatePanel
        icon={ChartColumn}
        tone="accent"
        title={t("emptyTitle")}
        actions={
          <Button asChild look="primary">
            <Link href="/jobs">{t("toJobs")}</Link>
          </Button>
        }
      >
        <p>{t("emptyAbout")}</p>
      </StatePanel>
    );
  }
  const rows = data ? rowsByType(data.overview, data.success, data.latency) : [];
  return (
    <>
      {report.current ? <UsageAnswers current={report.current} outlook={outlook} /> : null}
      <div className="grid items-start gap-4 wide:grid-cols-[minmax(0,1fr)_340px]">
        {data ? (
          <ByDay
            days={data.trend.by_day}
            total={data.trend.total}
            range={range}
            onRange={setRange}
          />
        ) : error ? (
          <ErrorState error={error} onRetry={() => void summaries.reload()} />
        ) : (
          <Card className="h-[300px]" />
        )}
        {outlook ? <Forecast outlook={outlook} /> : null}
      </div>
      {rows.length > 0 ? <TypesTable rows={rows} /> : null}
      {report.earlier.length > 0 ? (
        <>
          <h2 className="mt-2">{t("earlier")}</h2>
          <PeriodsTable periods={report.earlier} />
        </>
      ) : null}
    </>
  );
}

export function UsagePage() {
  const t = useStrings(usageStrings);
  const locale = useLocale();
  const now = useNow(10_000);
  const usage = useUsageReport();
  const { data, updatedAt } = usage;
  const current = data?.report.current;
  return (
    <Page
      title={t("title")}
      about={
        current ? (
          <span className="truncate text-fg-2 max-tablet:hidden">
            {t("period", {
              from: formatDay(locale, current.period_start),
              to: formatDate(locale, current.resets_at),
            })}
          </span>
        ) : null
      }
      actions={
        updatedAt ? (
          <span className="text-fg-3 text-sm tabular-nums max-tablet:hidden">
            {t("updated", { age: formatAge(now, updatedAt) })}
          </span>
        ) : null
      }
    >
      <UsageBody usage={usage} />
    </Page>
  );
}
