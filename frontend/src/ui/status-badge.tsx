"use client";

import clsx from "clsx";
import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleX,
  LoaderCircle,
  type LucideIcon,
} from "lucide-react";
import type { components } from "@/lib/api/schema";
import { useStrings } from "@/lib/i18n/provider";
import { statusStrings } from "@/lib/i18n/strings/status";

export type JobStatus = components["schemas"]["JobStatus"];

const ICONS: Record<JobStatus, LucideIcon> = {
  PENDING: CircleDashed,
  RUNNING: LoaderCircle,
  COMPLETED: CircleCheck,
  FAILED: CircleX,
  CANCELLED: Ban,
};

const ICON_COLOURS: Record<JobStatus, string> = {
  PENDING: "text-idle",
  RUNNING: "text-run animate-spin",
  COMPLETED: "text-ok",
  FAILED: "text-bad",
  CANCELLED: "text-fg-3",
};

const LOOKS: Record<JobStatus, string> = {
  PENDING: "text-fg-2",
  RUNNING: "text-fg",
  COMPLETED: "text-fg-2",
  FAILED: "rounded-full bg-bad-tint text-bad px-[7px] -ml-1.5",
  CANCELLED: "text-fg-3",
};

const FILLED: Record<JobStatus, string> = {
  PENDING: "bg-idle-tint text-idle",
  RUNNING: "bg-run-tint text-run",
  COMPLETED: "bg-ok-tint text-ok",
  FAILED: "bg-bad-tint text-bad",
  CANCELLED: "bg-idle-tint text-idle",
};

export function StatusIcon({ status, className }: { status: JobStatus; className?: string }) {
  const Icon = ICONS[status];
  return (
    <Icon aria-hidden className={clsx("size-3.5 shrink-0", ICON_COLOURS[status], className)} />
  );
}

/** Icon, word and colour; only a failed job is loud. `filled` is for the header of a page. */
export function StatusBadge({ status, filled }: { status: JobStatus; filled?: boolean }) {
  const t = useStrings(statusStrings);
  return (
    <span
      className={clsx(
        "inline-flex h-[22px] items-center gap-1.5 whitespace-nowrap font-medium text-sm",
        filled ? clsx("!h-6 rounded-full px-2", FILLED[status]) : LOOKS[status],
      )}
    >
      <StatusIcon status={status} />
      {t(status)}
    </span>
  );
}
