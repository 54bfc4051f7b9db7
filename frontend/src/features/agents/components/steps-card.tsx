"use client";

import clsx from "clsx";
import {
  Check,
  CircleDashed,
  CircleSlash,
  Hand,
  LoaderCircle,
  type LucideIcon,
  ShieldX,
  X,
} from "lucide-react";
import Link from "next/link";
import { lazy, type ReactNode, Suspense } from "react";
import { formatDuration, formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { useJobRow } from "@/lib/store/provider";
import { useNow } from "@/lib/use-now";
import { Card, CardHead } from "@/ui/card";
import { StatusBadge } from "@/ui/status-badge";
import { type Approval, formatUsd, isFinal, type Run, type Step } from "../model";
import { agentStrings } from "../strings";

// Forms come with the first question.
const ApprovalCard = lazy(() =>
  import("./approval-card").then((loaded) => ({ default: loaded.ApprovalCard })),
);

const LOOKS: Record<Step["state"], readonly [LucideIcon, string]> = {
  started: [LoaderCircle, "border-run-line bg-run-tint text-run [&_svg]:animate-spin"],
  waiting: [Hand, "border-need-line bg-need-tint text-need"],
  done: [Check, "border-ok-line bg-ok-tint text-ok"],
  failed: [X, "border-bad-line bg-bad-tint text-bad"],
  blocked: [ShieldX, "border-bad-line bg-bad-tint text-bad"],
  skipped: [CircleSlash, "border-idle-line bg-idle-tint text-idle"],
};

/** What the run has done, one step beneath the other, with the jobs and decisions of each. */
export function StepsCard({
  run,
  steps,
  approvals,
  read,
}: {
  run: Run;
  steps: readonly Step[];
  approvals: readonly Approval[];
  read: () => Promise<void>;
}) {
  const t = useStrings(agentStrings);
  const shown = new Set(steps.map(({ approval_id: id }) => id));
  const card = (approval: Approval) => (
    <Suspense key={approval.id} fallback={null}>
      <ApprovalCard
        runId={run.id}
        approval={approval}
        isOver={isFinal(run.state)}
        onDecided={read}
      />
    </Suspense>
  );
  return (
    <Card>
      <CardHead title={t("steps")}>
        <span className="text-fg-3 text-sm tabular-nums">
          {t("stepsCount", { count: steps.length })}
        </span>
      </CardHead>
      {steps.length === 0 && approvals.length === 0 ? (
        <p className="flex items-center gap-2 p-4 text-fg-2">
          <CircleDashed aria-hidden className="size-4" />
          {isFinal(run.state) ? t(run.state) : t("noSteps")}
        </p>
      ) : null}
      <ol className="grid gap-3 p-4 empty:hidden">
        {steps.map((step) => (
          <StepRow key={step.seq} step={step} isOver={isFinal(run.state)}>
            {approvals.filter(({ id }) => id === step.approval_id).map(card)}
          </StepRow>
        ))}
      </ol>
      {approvals.some(({ id }) => !shown.has(id)) ? (
        <div className="grid gap-3 p-4 pt-0">
          {approvals.filter(({ id }) => !shown.has(id)).map(card)}
        </div>
      ) : null}
    </Card>
  );
}

function StepRow({ step, isOver, children }: { step: Step; isOver: boolean; children: ReactNode }) {
  const t = useStrings(agentStrings);
  // What was under way when the run ended goes on no more.
  const state = isOver && step.finished_at === null ? "skipped" : step.state;
  const [Icon, look] = LOOKS[state];
  return (
    <li className="grid grid-cols-[20px_minmax(0,1fr)] gap-x-3" data-step={step.seq}>
      <span
        className={clsx("grid size-5 place-items-center rounded-full border [&_svg]:size-3", look)}
      >
        <Icon aria-hidden />
        <span className="sr-only">{t(`step_${state}`)}</span>
      </span>
      <div className="grid min-w-0 gap-1.5">
        <div className="flex flex-wrap items-baseline gap-x-3">
          <h3 className="min-w-0 break-words">{step.title}</h3>
          <StepFacts step={step} isOver={isOver} />
        </div>
        {step.detail ? <p className="break-words text-fg-2 text-sm">{step.detail}</p> : null}
        {step.child_job_id ? <ChildJob id={step.child_job_id} /> : null}
        {children}
      </div>
    </li>
  );
}

function StepFacts({ step, isOver }: { step: Step; isOver: boolean }) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const now = useNow(1_000);
  const end = step.finished_at ? Date.parse(step.finished_at) : isOver ? undefined : now;
  const took = end && formatDuration(locale, Math.max(0, end - Date.parse(step.started_at)));
  const facts = [
    step.state === "waiting" ? t("step_waiting") : undefined,
    took,
    step.model_calls > 0 ? t("stepCalls", { count: step.model_calls }) : undefined,
    step.tokens > 0 ? t("stepTokens", { count: formatNumber(locale, step.tokens) }) : undefined,
    step.cost_micro_usd > 0 ? formatUsd(locale, step.cost_micro_usd) : undefined,
  ];
  return (
    <span className="ml-auto whitespace-nowrap text-fg-3 text-sm tabular-nums">
      {facts.filter(Boolean).join(" · ")}
    </span>
  );
}

/** The job of a tool call, as the jobs page has it. */
function ChildJob({ id }: { id: string }) {
  const t = useStrings(agentStrings);
  const row = useJobRow(id);
  const target = row?.target;
  return (
    <Link
      href={`/jobs/${id}`}
      className="flex min-h-[30px] flex-wrap items-center gap-x-3 rounded-md border border-line px-2.5 py-1 text-sm hover:bg-raised"
    >
      {row ? <StatusBadge status={row.status} /> : null}
      <code className="font-mono">{row?.task_type ?? t("jobOf", { id: id.slice(-8) })}</code>
      {target ? (
        <span className="min-w-0 truncate">
          {target.host}
          <span className="text-fg-3">{target.path}</span>
        </span>
      ) : null}
      {row ? <code className="ml-auto font-mono text-fg-3">{id.slice(-8)}</code> : null}
    </Link>
  );
}
