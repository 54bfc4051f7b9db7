"use client";

import { CircleAlert, Hourglass, Lock, RefreshCw, SearchX, TriangleAlert } from "lucide-react";
import Link from "next/link";
import { type ReactNode, useEffect, useState } from "react";
import { ApiError } from "@/lib/api/problems";
import { formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { errorStrings } from "@/lib/i18n/strings/errors";
import { Button } from "./button";
import { CopyButton } from "./copy-button";
import { StatePanel } from "./states";

/** Counts down in seconds from the moment that it is first shown; 0 when the time is over. */
function useCountdown(seconds: number): number {
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    const end = Date.now() + seconds * 1000;
    const timer = setInterval(() => {
      const rest = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      setLeft(rest);
      if (rest === 0) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [seconds]);
  return left;
}

function RetryButton({ after, onRetry }: { after: number; onRetry: () => void }) {
  const t = useStrings(commonStrings);
  const left = useCountdown(after);
  return (
    <Button disabled={left > 0} onClick={onRetry}>
      <RefreshCw aria-hidden />
      {left > 0 ? t("tryAgainIn", { seconds: left }) : t("tryAgain")}
    </Button>
  );
}

/** The id that support needs to find the request in the logs. */
export function Reference({ id, status }: { id: string; status?: number }) {
  const t = useStrings(commonStrings);
  return (
    <p className="flex items-center gap-1 text-sm">
      <span className="text-fg-3">{t("reference")}</span>
      <code className="font-mono" title={id}>
        {id.slice(-8)}
      </code>
      <CopyButton text={id} hint={t("copyReference")} />
      {status ? <span className="text-fg-3">{status}</span> : null}
    </p>
  );
}

const BLOCKS = {
  plan: ["/billing#plans", "choosePlan"],
  spend_limit: ["/billing#spend-limit", "changeSpendLimit"],
  past_due: ["/billing", "payOpen"],
} as const;

/** The one action that clears what refuses the job. */
function ClearBlock({ blockedBy }: { blockedBy: keyof typeof BLOCKS | null | undefined }) {
  const t = useStrings(errorStrings);
  const [href, label] = blockedBy ? BLOCKS[blockedBy] : (["/usage", "seeUsage"] as const);
  return (
    <Button asChild>
      <Link href={href}>{t(label)}</Link>
    </Button>
  );
}

type ErrorStateProps = { error: unknown; onRetry?: () => void; actions?: ReactNode };

/** Shows an error of the API where its data would be: 401, 402, 403, 404, 429 and all others. */
export function ErrorState({ error, onRetry, actions }: ErrorStateProps) {
  const t = useStrings(errorStrings);
  const locale = useLocale();
  if (!(error instanceof ApiError)) {
    return (
      <StatePanel
        role="alert"
        icon={TriangleAlert}
        tone="bad"
        title={t("brokenTitle")}
        actions={onRetry ? <RetryButton after={0} onRetry={onRetry} /> : null}
      >
        <p>{t("brokenCause")}</p>
      </StatePanel>
    );
  }
  const { problem, status, quota } = error;
  const limited = status === 429 || status === 402;
  const icon =
    status === 404
      ? SearchX
      : status === 403 || status === 401
        ? Lock
        : limited
          ? Hourglass
          : CircleAlert;
  const mayRetry = onRetry && (error.retryable || status === 429);
  return (
    <StatePanel
      role="alert"
      icon={icon}
      tone={limited ? "need" : status === 404 || status === 403 ? "neutral" : "bad"}
      title={problem?.title ?? t("unreachableTitle")}
      actions={
        <>
          {mayRetry ? <RetryButton after={error.retryAfter ?? 0} onRetry={onRetry} /> : null}
          {status === 401 ? (
            <Button asChild look="primary">
              <a href="/login">{t("signIn")}</a>
            </Button>
          ) : null}
          {status === 402 ? <ClearBlock blockedBy={quota?.blocked_by} /> : null}
          {status === 404 ? (
            <Button asChild>
              <Link href="/jobs">{t("toJobs")}</Link>
            </Button>
          ) : null}
          {actions}
        </>
      }
    >
      <p>
        {problem
          ? `${problem.human_readable_cause} ${problem.suggested_action}`
          : t("unreachableCause")}
      </p>
      {quota && quota.blocked_by !== "past_due" ? (
        <p>{t("resetsAt", { date: formatMoment(locale, quota.resets_at).replace(" UTC", "") })}</p>
      ) : null}
      {error.correlationId ? <Reference id={error.correlationId} status={status} /> : null}
    </StatePanel>
  );
}
