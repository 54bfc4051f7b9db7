"use client";

import { CircleCheck, Hand } from "lucide-react";
import Link from "next/link";
import type { ReactNode } from "react";
import { formatAge, formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { useNow } from "@/lib/use-now";
import { Button } from "@/ui/button";
import { ShortId } from "@/ui/id";
import { AnswerStrip } from "@/ui/strip";
import {
  type Approval,
  formatCountdown,
  formatUsd,
  getCurrentStep,
  getOpenApproval,
  isFinal,
  type Run,
  type Step,
} from "../model";
import { agentStrings } from "../strings";
import { useReason } from "./reason";
import { RunStateBadge } from "./run-state";

export function RunHeader({ run }: { run: Run }) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const now = useNow(10_000);
  const moment = run.started_at ?? run.created_at;
  const provider = run.result?.provider;
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap items-center gap-3">
        <h2 className="break-words font-semibold text-xl tracking-[-0.015em]">
          {run.title || t(run.workflow_type)}
        </h2>
        <RunStateBadge run={run} filled />
      </div>
      <dl className="flex flex-wrap items-center gap-x-5 gap-y-1 text-sm">
        <Fact>
          <code className="font-mono text-fg-2">workflow.{run.workflow_type}</code>
        </Fact>
        <Fact>
          <ShortId id={run.id} />
        </Fact>
        <Fact name={t(run.started_at ? "started" : "submitted")}>
          <time dateTime={moment}>{formatMoment(locale, moment)}</time>, {formatAge(now, moment)}
        </Fact>
        <Fact>
          {t("calls", { count: run.spend.model_calls })}
          {run.spend.repeated_calls > 0
            ? `, ${t("repeatedCalls", { count: run.spend.repeated_calls })}`
            : ""}
        </Fact>
        {typeof provider === "string" ? <Fact name={t("provider")}>{provider}</Fact> : null}
        <Fact>
          <Link href={`/jobs/${run.id}`} className="text-accent hover:underline">
            {t("asJob")}
          </Link>
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

/** What is happening, what needs me, what does it cost; for this run. */
export function RunAnswers({
  run,
  steps,
  approvals,
}: {
  run: Run;
  steps: readonly Step[];
  approvals: readonly Approval[];
}) {
  const t = useStrings(agentStrings);
  const answers = [useNowAnswer(run, steps), useNeeds(run, approvals), useCost(run)];
  return <AnswerStrip label={t("answers")} answers={answers} />;
}

const ENDS = { succeeded: "nowDone", failed: "nowFailed", cancelled: "nowCancelled" } as const;

function useNowAnswer(run: Run, steps: readonly Step[]) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const label = t("now");
  if (run.state in ENDS) {
    const key = run.partial ? "nowPartial" : ENDS[run.state as keyof typeof ENDS];
    const time = run.finished_at ? formatMoment(locale, run.finished_at) : "";
    return { label, fact: t(key, { steps: steps.length }), reason: t("endedAt", { time }) };
  }
  const step = getCurrentStep(steps);
  if (!step) return { label, fact: t("nowQueued") };
  const at = steps.indexOf(step) + 1;
  return {
    label,
    fact: <span className="truncate">{t("nowStep", { at, title: step.title })}</span>,
    reason: step.detail ?? undefined,
  };
}

function useNeeds(run: Run, approvals: readonly Approval[]) {
  const t = useStrings(agentStrings);
  const nameReason = useReason();
  const now = useNow(1_000);
  const label = t("needsYou");
  const open = isFinal(run.state) ? undefined : getOpenApproval(approvals, now);
  if (open) {
    const time = open.expires_at && formatCountdown(Date.parse(open.expires_at) - now);
    const key = open.kind === "answer" ? "needsAnswer" : "needsApproval";
    return {
      label,
      fact: (
        <>
          <Hand aria-hidden className="size-4 text-need" />
          {time ? t(key, { time }) : t("needsAny")}
        </>
      ),
      reason: t("holdsNothing"),
      action: (
        <Button asChild size="small">
          <a href={`#approval-${open.id}`}>{t("goToIt")}</a>
        </Button>
      ),
    };
  }
  if (run.state === "failed") {
    const reason = nameReason(run.failure_reason);
    return { label, fact: t("again"), reason: t("needsLook", { reason }) };
  }
  const fact = (
    <span className="flex items-center gap-1.5 font-medium text-fg-2">
      <CircleCheck aria-hidden className="size-4 text-ok" /> {t("needsNothing")}
    </span>
  );
  return { label, fact };
}

function useCost(run: Run) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const { limit, spent, held, left } = run.ceilings.cost_micro_usd;
  const label = t("cost");
  const print = (micro: number) => formatUsd(locale, micro);
  if (limit === null || left === null)
    return { label, fact: print(spent), reason: t("costUnknown") };
  return {
    label,
    fact: t("spentOf", { spent: print(spent), limit: print(limit) }),
    reason: t("heldLeft", { held: print(held), left: print(left) }),
  };
}
