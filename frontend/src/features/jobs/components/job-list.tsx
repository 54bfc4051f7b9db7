"use client";

import clsx from "clsx";
import { type CSSProperties, useCallback, useEffect, useRef } from "react";
import { useStrings } from "@/lib/i18n/provider";
import type { JobRow } from "@/lib/store/rows";
import { useIsBillable } from "../catalogue";
import { type Column, NUMERIC, WIDTHS } from "../columns";
import { jobStrings } from "../strings";
import { useIsPhone } from "../use-is-phone";
import { useWindow } from "../use-window";
import { JobListRow } from "./job-row";
import "../jobs.css";

const ROW_HEIGHT = 34;
const PHONE_ROW_HEIGHT = 84;
const MARGIN = 120;

interface JobListProps {
  readonly ids: readonly string[];
  readonly getRow: (id: string) => JobRow | undefined;
  readonly columns: readonly Column[];
  readonly cursor: string | undefined;
  readonly selection: ReadonlySet<string>;
  readonly onSelect: (id: string, isRange: boolean) => void;
  readonly onSelectAll: () => void;
  readonly onOpen: (id: string) => void;
  readonly getHref: (id: string) => string;
  readonly onNearEnd: () => void;
}

/** The rows near the visible part of the page; the page scrolls, so going back restores the place. */
export function JobList(props: JobListProps) {
  const { ids, getRow, columns, cursor, selection, onSelect, onOpen, getHref, onNearEnd } = props;
  const body = useRef<HTMLDivElement>(null);
  const rowHeight = useIsPhone() ? PHONE_ROW_HEIGHT : ROW_HEIGHT;
  const { first, last } = useWindow(body, ids.length, rowHeight);
  const isBillable = useIsBillable();
  useCursorInView(body, ids, cursor, rowHeight);
  const isNearEnd = last >= ids.length;
  useEffect(() => {
    if (isNearEnd) onNearEnd();
  }, [isNearEnd, onNearEnd]);

  const template = ["14px", ...columns.map((column) => WIDTHS[column])].join(" ");
  const style = {
    "--job-columns": template,
    "--job-row-height": `${rowHeight}px`,
  } as CSSProperties;
  return (
    <div
      role="grid"
      aria-rowcount={ids.length + 1}
      aria-multiselectable="true"
      aria-label={useStrings(jobStrings)("title")}
      className="rounded-lg border border-line bg-surface"
      style={style}
    >
      <JobListHead {...props} />
      <div
        role="rowgroup"
        ref={body}
        className="relative"
        style={{ height: ids.length * rowHeight } as CSSProperties}
      >
        <div style={{ transform: `translateY(${first * rowHeight}px)` }} role="presentation">
          {ids.slice(first, last).map((id, offset) => {
            const row = getRow(id);
            if (!row) return null;
            return (
              <JobListRow
                key={id}
                row={row}
                index={first + offset}
                columns={columns}
                href={getHref(id)}
                isCursor={cursor === id}
                isSelected={selection.has(id)}
                isBillable={isBillable(row.task_type)}
                onSelect={onSelect}
                onOpen={onOpen}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

function JobListHead({ ids, columns, selection, onSelectAll }: JobListProps) {
  const t = useStrings(jobStrings);
  const areAll = ids.length > 0 && selection.size >= ids.length;
  return (
    <div role="rowgroup" className="sticky top-[var(--h-top)] z-[5] hidden tablet:block">
      <div
        role="row"
        aria-rowindex={1}
        className="job-row rounded-t-lg border-line border-b bg-surface font-medium text-fg-3 text-xs [--job-row-height:32px]"
      >
        <span role="columnheader">
          <input
            type="checkbox"
            className="job-check"
            checked={areAll}
            aria-label={t("selectAll")}
            onChange={onSelectAll}
          />
        </span>
        {columns.map((column) => (
          <span
            key={column}
            role="columnheader"
            className={clsx("truncate", NUMERIC.has(column) && "text-right")}
          >
            {t(`col_${column}`)}
          </span>
        ))}
      </div>
    </div>
  );
}

/** Scroll as far as needed for the row under the cursor, when the cursor moves. */
function useCursorInView(
  body: React.RefObject<HTMLDivElement | null>,
  ids: readonly string[],
  cursor: string | undefined,
  rowHeight: number,
): void {
  const before = useRef(cursor);
  const scroll = useCallback(
    (id: string) => {
      const at = ids.indexOf(id);
      const top = body.current?.getBoundingClientRect().top;
      if (at < 0 || top === undefined) return;
      const rowTop = top + at * rowHeight;
      const below = rowTop + rowHeight + MARGIN - window.innerHeight;
      const above = rowTop - MARGIN;
      if (above < 0) window.scrollBy({ top: above });
      else if (below > 0) window.scrollBy({ top: below });
    },
    [body, ids, rowHeight],
  );
  useEffect(() => {
    if (cursor !== undefined && cursor !== before.current) scroll(cursor);
    before.current = cursor;
  }, [cursor, scroll]);
}
