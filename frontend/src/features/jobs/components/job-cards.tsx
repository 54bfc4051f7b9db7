"use client";

import { CircleX, Link as LinkIcon, ShieldCheck, ShieldX } from "lucide-react";
import { useMemo } from "react";
import { formatDuration } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import type { JobRow } from "@/lib/store/rows";
import { Button } from "@/ui/button";
import { Card, CardHead, Facts } from "@/ui/card";
import { detailStrings, getSpanName } from "../detail-strings";
import { collectHosts, type Happening, type Span } from "../spans";
import { jobStrings } from "../strings";
import { JsonView } from "./json-view";

/** What a span was, in words. */
export function SpanCard({ span, row }: { span: Span; row: JobRow }) {
  const t = useStrings(detailStrings);
  const jobs = useStrings(jobStrings);
  const locale = useLocale();
  const duration =
    span.end === undefined ? t("stillRunning") : formatDuration(locale, span.end - span.start);
  const limit = span.kind === "wait" && span.name ? `waits_${span.name}` : undefined;
  const facts: (readonly [string, React.ReactNode])[] = [
    [t("start"), `+ ${formatDuration(locale, span.start)}`],
    ...(span.kind === "charge" ? [] : [[t("duration"), duration] as const]),
    ...(limit && limit in jobStrings ? [[t("limit"), jobs(limit as "waits_paused")] as const] : []),
    ...(span.outcome ? [[t("outcome"), span.outcome] as const] : []),
    ...(span.reason ? [[t("reason"), <code key="reason">{span.reason}</code>] as const] : []),
    ...(span.sequence === undefined ? [] : [[t("usageEvent"), span.sequence] as const]),
    [t("correlation"), <code key="correlation">{row.correlation_id.slice(-8)}</code>],
  ];
  return (
    <Card aria-live="polite">
      <CardHead
        title={
          <span className="flex items-center gap-2">
            {span.tone === "bad" ? <CircleX aria-hidden className="size-4 text-bad" /> : null}
            {getSpanName(span, t)}
            {span.kind === "step" && span.attempt ? (
              <span className="font-normal text-fg-3">
                {t("attempt", { attempt: span.attempt })}
              </span>
            ) : null}
          </span>
        }
      >
        <Button
          look="ghost"
          size="small"
          onClick={() => void navigator.clipboard.writeText(window.location.href)}
        >
          <LinkIcon aria-hidden /> {t("linkToSpan")}
        </Button>
      </CardHead>
      <div className="grid gap-4 p-4 tablet:grid-cols-[minmax(0,1fr)_auto]">
        <div className="min-w-0 space-y-1">
          {span.error ? <p className="break-words font-medium">{span.error}</p> : null}
          {span.kind === "step" ? <p className="text-fg-3 text-sm">{t("stepsReported")}</p> : null}
        </div>
        <Facts items={facts} />
      </div>
    </Card>
  );
}

export function ParametersCard({ params }: { params: Record<string, unknown> | null | undefined }) {
  const t = useStrings(detailStrings);
  const text = useMemo(() => (params ? JSON.stringify(params) : undefined), [params]);
  if (params === undefined) return null;
  return (
    <Card>
      <CardHead title={t("parameters")} />
      {text ? (
        <JsonView text={text} label={t("parameters")} />
      ) : (
        <p className="p-4 text-fg-3">{t("removedParams")}</p>
      )}
    </Card>
  );
}

const MOST_HOSTS = 12;

export function HostsCard({ items }: { items: readonly Happening[] }) {
  const t = useStrings(detailStrings);
  const hosts = useMemo(() => collectHosts(items), [items]);
  if (hosts.length === 0) return null;
  return (
    <Card>
      <CardHead
        title={
          <>
            {t("hosts")} <span className="font-normal text-fg-3">{t("hostsAbout")}</span>
          </>
        }
      />
      <ul className="divide-y divide-line text-sm">
        {hosts.slice(0, MOST_HOSTS).map((host) => (
          <li key={host.name} className="flex min-h-8 items-center gap-2 px-4 py-1">
            {host.refusals > 0 ? (
              <ShieldX aria-hidden className="size-4 shrink-0 text-bad" />
            ) : (
              <ShieldCheck aria-hidden className="size-4 shrink-0 text-ok" />
            )}
            <span className="truncate">{host.name}</span>
            <span className={host.refusals > 0 ? "ml-auto text-bad" : "ml-auto text-fg-3"}>
              {host.refusals > 0
                ? t("refused", { reason: host.refusal ?? String(host.refusals) })
                : t("connections", { count: host.connections })}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
