"use client";

import clsx from "clsx";
import Link from "next/link";
import { type MouseEvent, memo } from "react";
import { formatAge, formatDuration, formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import type { JobRow as Row } from "@/lib/store/rows";
import { StatusBadge } from "@/ui/status-badge";
import { type Column, NUMERIC } from "../columns";
import { describeJob, getCost, getTries, getWorkedMs } from "../describe";
import { jobStrings } from "../strings";
import { useFastNow, useNow } from "../use-now";

interface JobRowProps {
  readonly row: Row;
  readonly index: number;
  readonly columns: readonly Column[];
  readonly href: string;
  readonly isCursor: boolean;
  readonly isSelected: boolean;
  readonly isBillable: boolean;
  readonly onSelect: (id: string, isRange: boolean) => void;
  readonly onOpen: (id: string) => void;
}

/** Where a cell stands in the three lines of a row on a phone; others are left out there. */
const PHONE: Partial<Record<Column, string>> = {
  status: "[grid-area:status]",
  type: "[grid-area:type]",
  detail: "[grid-area:detail]",
  took: "[grid-area:took]",
  cost: "[grid-area:cost]",
  age: "[grid-area:age]",
};

export const JobListRow = memo(function JobListRow(props: JobRowProps) {
  const { row, index, columns, isCursor, isSelected, onSelect, onOpen } = props;
  const t = useStrings(jobStrings);
  function open(event: MouseEvent) {
    const isControl = (event.target as Element).closest("a, button, input, label");
    if (!isControl && !event.metaKey && !event.ctrlKey) onOpen(row.id);
  }
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the link in the row and the key ↵ do the same
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      data-cursor={isCursor || undefined}
      data-id={row.id}
      onClick={open}
      className={clsx(
        "job-row cursor-pointer border-line border-b transition-colors last:border-b-0",
        isSelected ? "bg-accent-tint" : "hover:bg-raised",
        isCursor && "shadow-[inset_2px_0_0_var(--accent)]",
        row.optimistic && "opacity-60",
      )}
    >
      <span role="gridcell" className="hidden tablet:block">
        <input
          type="checkbox"
          tabIndex={-1}
          className="job-check"
          checked={isSelected}
          aria-label={t("selectRow", { id: row.id.slice(-8) })}
          onChange={(event) => {
            onSelect(row.id, (event.nativeEvent as unknown as MouseEvent).shiftKey === true);
          }}
        />
      </span>
      {columns.map((column) => (
        <span
          key={column}
          role="gridcell"
          className={clsx(
            column === "status" ? "flex items-center" : "min-w-0 truncate",
            NUMERIC.has(column) && "text-right tabular-nums",
            PHONE[column] ?? "hidden tablet:block",
          )}
        >
          <Cell column={column} {...props} />
        </span>
      ))}
    </div>
  );
});

function Cell({ column, row, href, isBillable }: JobRowProps & { column: Column }) {
  switch (column) {
    case "status":
      return <StatusBadge status={row.status} />;
    case "id":
      return (
        <Link href={href} title={row.id} className="font-mono text-fg-2 text-sm" prefetch={false}>
          {row.optimistic ? "" : row.id.slice(-8)}
        </Link>
      );
    case "type":
      return (
        <Link href={href} className="font-mono text-sm" prefetch={false}>
          {row.task_type}
        </Link>
      );
    case "target":
      return <Target row={row} />;
    case "detail":
      return <Detail row={row} />;
    case "took":
      return row.status === "RUNNING" ? <RunningTime row={row} /> : <Time row={row} />;
    case "tries":
      return (
        <span className={getTries(row) > 1 ? "text-fg" : "text-fg-3"}>
          {getTries(row)}/{row.max_attempts}
        </span>
      );
    case "cost":
      return <Cost row={row} isBillable={isBillable} />;
    case "source":
      return <span className="text-fg-2">{row.source}</span>;
    case "priority":
      return <span className="text-fg-2">{row.priority}</span>;
    case "age":
      return <Age row={row} />;
  }
}

function Target({ row }: { row: Row }) {
  if (!row.target) return <span className="text-fg-3">–</span>;
  const { host, path } = row.target;
  return (
    <span title={host + path}>
      {host}
      {path === "/" ? "" : <span className="text-fg-3">{path}</span>}
    </span>
  );
}

function Detail({ row }: { row: Row }) {
  const t = useStrings(jobStrings);
  const now = useNow();
  const text = describeJob(row, t, now);
  return (
    <span className="text-fg-2" title={text}>
      {text}
      {text === "" && row.target ? (
        <span className="tablet:hidden">{row.target.host + row.target.path}</span>
      ) : null}
    </span>
  );
}

function Time({ row }: { row: Row }) {
  const locale = useLocale();
  const worked = getWorkedMs(row, 0);
  return worked === undefined ? (
    <span className="text-fg-3">–</span>
  ) : (
    <span className="text-fg-2">{formatDuration(locale, worked)}</span>
  );
}

function RunningTime({ row }: { row: Row }) {
  const locale = useLocale();
  const worked = getWorkedMs(row, useFastNow()) ?? 0;
  const percent = row.progress?.percent ?? undefined;
  return (
    <span className="relative inline-block pb-0.5">
      {formatDuration(locale, worked)}
      {percent === undefined ? null : (
        <svg
          aria-hidden
          viewBox="0 0 100 2"
          preserveAspectRatio="none"
          className="absolute inset-x-0 bottom-0 h-0.5 w-full bg-line-strong"
        >
          <rect width={percent} height="2" className="fill-run" />
        </svg>
      )}
    </span>
  );
}

function Cost({ row, isBillable }: { row: Row; isBillable: boolean }) {
  const t = useStrings(jobStrings);
  const cost = getCost(row, isBillable);
  if (cost === "charged") {
    return (
      <span>
        <span className="max-tablet:hidden">1</span>
        <span className="text-fg-3 tablet:hidden">{t("unit")}</span>
      </span>
    );
  }
  return <span className="text-fg-3">{cost === "held" ? t("held", { count: 1 }) : "–"}</span>;
}

function Age({ row }: { row: Row }) {
  const locale = useLocale();
  const now = useNow();
  return (
    <time
      dateTime={row.created_at}
      title={formatMoment(locale, row.created_at)}
      className="text-fg-3"
    >
      {formatAge(now, row.created_at)}
    </time>
  );
}
