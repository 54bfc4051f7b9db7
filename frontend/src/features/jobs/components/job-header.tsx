"use client";

import type { ReactNode } from "react";
import { formatAge, formatDuration, formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import type { JobRow } from "@/lib/store/rows";
import { ShortId } from "@/ui/id";
import { StatusBadge, StatusIcon } from "@/ui/status-badge";
import { AnswerStrip } from "@/ui/strip";
import { canRetry } from "../actions";
import { useIsBillable } from "../catalogue";
import { describeJob, getCost, getTries, getWorkedMs } from "../describe";
import { type DetailText, detailStrings } from "../detail-strings";
import { useJobFiles } from "../queries";
import { jobStrings } from "../strings";
import { useNow } from "../use-now";

export function JobHeader({ row, target }: { row: JobRow; target: string | undefined }) {
  const t = useStrings(detailStrings);
  const locale = useLocale();
  const now = useNow();
  const end = row.finished_at === null ? now : Date.parse(row.finished_at);
  const worked = getWorkedMs(row, now);
  const moment = row.started_at ?? row.created_at;
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap items-center gap-3">
        <h2 className="break-all font-semibold text-xl tracking-[-0.015em]">
          {target ?? row.task_type}
        </h2>
        <StatusBadge status={row.status} filled />
      </div>
      <dl className="flex flex-wrap items-center gap-x-5 gap-y-1 text-sm">
        {target ? (
          <Fact>
            <code className="font-mono text-fg-2">{row.task_type}</code>
          </Fact>
        ) : null}
        <Fact>
          <ShortId id={row.id} />
        </Fact>
        <Fact name={t(row.started_at ? "started" : "submitted")}>
          <time dateTime={moment}>{formatMoment(locale, moment)}</time>, {formatAge(now, moment)}
        </Fact>
        <Fact name={t("took")}>
          {formatDuration(locale, Math.max(0, end - Date.parse(row.created_at)))}
          {worked === undefined ? "" : `, ${t("working")} ${formatDuration(locale, worked)}`}
        </Fact>
        <Fact name={t("tries")}>
          {t("triesOf", { attempts: getTries(row), most: row.max_attempts })}
        </Fact>
        <Fact name={t("from")}>{row.source}</Fact>
        <Fact name={t("correlation")}>
          <ShortId id={row.correlation_id} />
        </Fact>
      </dl>
    </div>
  );
}

function Fact({ name, children }: { name?: string; children: ReactNode }) {
  return (
    <div className="flex items-center gap-1.5 whitespace-nowrap tabular-nums">
      <dt className={name ? "text-fg-3" : "sr-only"}>{name ?? "id"}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What is happening, what needs me, what does it cost; for this job. */
export function JobAnswers({ row }: { row: JobRow }) {
  const jobs = useStrings(jobStrings);
  const answers = [useNowAnswer(row), useNeedsAnswer(row), useCostAnswer(row)];
  return <AnswerStrip label={jobs("answers")} answers={answers} />;
}

const NOW_FACTS: Record<JobRow["status"], keyof typeof detailStrings> = {
  PENDING: "nowQueued",
  RUNNING: "nowRunning",
  COMPLETED: "nowDone",
  FAILED: "nowFailed",
  CANCELLED: "nowCancelled",
};

function useNowAnswer(row: JobRow) {
  const t = useStrings(detailStrings);
  const jobs = useStrings(jobStrings);
  const locale = useLocale();
  const now = useNow();
  const { data: files } = useJobFiles(row);
  const count = files?.length ?? 0;
  const values = { attempt: getTries(row), count: row.attempts };
  const ended = row.finished_at && t("ended", { time: formatMoment(locale, row.finished_at) });
  const kept = count > 0 ? t("filesKept", { count }) : undefined;
  const reason = ended ? [kept, ended].filter(Boolean).join(", ") : describeJob(row, jobs, now);
  return {
    label: jobs("now"),
    fact: (
      <>
        <StatusIcon status={row.status} className="!size-4" />
        <span className="truncate">{t(NOW_FACTS[row.status], values)}</span>
      </>
    ),
    reason: reason || undefined,
  };
}

function useNeedsAnswer(row: JobRow) {
  const t = useStrings(detailStrings);
  const jobs = useStrings(jobStrings);
  if (canRetry(row)) {
    const why = row.last_error ?? row.failure_reason ?? jobs("failedWithoutReason");
    return { label: jobs("needsYou"), fact: t("needsRetry"), reason: why };
  }
  const fact = <span className="font-medium text-fg-2">{t("needsNothing")}</span>;
  return { label: jobs("needsYou"), fact, reason: getCalm(row, t) };
}

function getCalm(row: JobRow, t: DetailText): string {
  const failed = row.status === "COMPLETED" ? row.attempts : 0;
  return failed > 0 ? t("retriedItself", { count: failed }) : t("noNeed");
}

function useCostAnswer(row: JobRow) {
  const t = useStrings(detailStrings);
  const jobs = useStrings(jobStrings);
  const isBillable = useIsBillable()(row.task_type);
  const cost = getCost(row, isBillable);
  if (cost === "charged") {
    return { label: jobs("cost"), fact: t("unit"), reason: t("chargedReason") };
  }
  if (cost === "held") {
    return { label: jobs("cost"), fact: t("unitHeld"), reason: t("heldReason") };
  }
  const fact = <span className="font-medium text-fg-2">{t("free")}</span>;
  return { label: jobs("cost"), fact, reason: t(isBillable ? "freeReason" : "freeType") };
}
