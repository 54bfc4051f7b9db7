"use client";

import { ExternalLink, ShieldCheck } from "lucide-react";
import { formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { useResource } from "@/lib/resource";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { InlineError } from "@/ui/inline-error";
import { TableSkeleton } from "@/ui/skeleton";
import type { Citation } from "../model";
import { readPassage } from "../queries";
import { agentStrings } from "../strings";
import type { Verdict } from "../verify";
import { VerdictLine } from "./sources-card";

/** A passage in its text, marked, with the hash that the text must have. */
export function PassageDialog({
  runId,
  citation,
  verdict,
  isChecking,
  onCheck,
  onClose,
}: {
  runId: string;
  citation: Citation;
  verdict: Verdict | "error" | undefined;
  isChecking: boolean;
  onCheck: () => void;
  onClose: () => void;
}) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const { sha256, start, end, url } = citation;
  const passage = useResource(`passage:${runId}:${sha256}:${start}:${end}`, () =>
    readPassage(runId, citation, false),
  );
  const { data, error } = passage;
  const isWeb = /^https?:\/\//.test(url);
  return (
    <Dialog
      open
      onOpenChange={(open) => (open ? undefined : onClose())}
      title={t("passageTitle")}
      description={url}
      actions={
        <>
          {isWeb ? (
            <Button asChild look="ghost">
              <a href={url} target="_blank" rel="noreferrer noopener nofollow">
                <ExternalLink aria-hidden /> {t("openPage")}
              </a>
            </Button>
          ) : null}
          <Button look="primary" busy={isChecking} onClick={onCheck}>
            <ShieldCheck aria-hidden /> {t("verify")}
          </Button>
        </>
      }
    >
      <div className="grid gap-3">
        {data ? (
          <>
            <p
              tabIndex={0}
              className="max-h-[50dvh] overflow-y-auto whitespace-pre-wrap break-words rounded-md border border-line bg-sunken p-3 text-fg-2"
              data-testid="passage"
            >
              {data.before}
              <mark className="rounded-sm bg-accent-tint text-fg">{data.passage}</mark>
              {data.after}
            </p>
            <p className="text-fg-3 text-sm tabular-nums">
              {t("passageAbout", {
                start: formatNumber(locale, start),
                end: formatNumber(locale, end),
                length: formatNumber(locale, data.length),
              })}
            </p>
          </>
        ) : error ? (
          <InlineError error={error} />
        ) : (
          <TableSkeleton rows={3} label={t("loading")} />
        )}
        <p className="text-fg-3 text-sm">
          {t("hash")} <code className="break-all font-mono">{sha256}</code>
        </p>
        {verdict ? (
          <div role="status">
            <VerdictLine verdict={verdict} />
          </div>
        ) : null}
      </div>
    </Dialog>
  );
}
