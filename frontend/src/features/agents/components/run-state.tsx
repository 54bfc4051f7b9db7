"use client";

import clsx from "clsx";
import { Ban, CircleCheck, CircleDashed, CircleX, Hand, LoaderCircle, Pause } from "lucide-react";
import { useStrings } from "@/lib/i18n/provider";
import { Badge } from "@/ui/badge";
import { isFinal, type RunSummary } from "../model";
import { agentStrings } from "../strings";

const LOOKS = {
  queued: [CircleDashed, "text-idle", "bg-idle-tint text-idle"],
  running: [LoaderCircle, "text-run animate-spin", "bg-run-tint text-run"],
  waiting: [Pause, "text-idle", "bg-idle-tint text-idle"],
  succeeded: [CircleCheck, "text-ok", "bg-ok-tint text-ok"],
  failed: [CircleX, "text-bad", "bg-bad-tint text-bad"],
  cancelled: [Ban, "text-fg-3", "bg-idle-tint text-idle"],
  needs: [Hand, "text-need", "bg-need-tint text-need"],
} as const;

/** Icon, word and colour; loud only where it failed or needs a person. */
export function RunStateBadge({ run, filled }: { run: RunSummary; filled?: boolean }) {
  const t = useStrings(agentStrings);
  const look = getLook(run);
  const [Icon, icon, fill] = LOOKS[look];
  const isLoud = look === "needs" || look === "failed";
  return (
    <span className="inline-flex items-center gap-2">
      <span
        className={clsx(
          "inline-flex h-[22px] items-center gap-1.5 whitespace-nowrap rounded-full font-medium text-sm",
          filled || isLoud ? clsx("px-[7px]", fill, filled ? "!h-6" : "-ml-1.5") : "text-fg-2",
        )}
      >
        <Icon aria-hidden className={clsx("size-3.5 shrink-0", icon)} />
        {t(look)}
      </span>
      {run.partial ? <Badge tone="need">{t("partial")}</Badge> : null}
    </span>
  );
}

function getLook(run: RunSummary): keyof typeof LOOKS {
  return run.open_approvals > 0 && !isFinal(run.state) ? "needs" : run.state;
}
