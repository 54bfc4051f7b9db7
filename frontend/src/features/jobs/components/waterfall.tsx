"use client";

import clsx from "clsx";
import {
  CircleCheck,
  CircleX,
  Hourglass,
  LoaderCircle,
  Receipt,
  ZoomIn,
  ZoomOut,
} from "lucide-react";
import { type CSSProperties, useMemo, useRef, useState } from "react";
import { formatDuration } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { Button } from "@/ui/button";
import { Card, CardHead } from "@/ui/card";
import { Segmented } from "@/ui/segmented";
import { detailStrings, getSpanName } from "../detail-strings";
import { chooseStep, type Span } from "../spans";
import { jobStrings } from "../strings";

const ROW = 28;
const MOST_ROWS = 17;
const EXTRA = 6;
const AXIS_STEPS = 5;

interface WaterfallProps {
  readonly spans: readonly Span[];
  /** Milliseconds since the submission; the end of what still lasts. */
  readonly now: number;
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
}

/** Everything that happened to a job on one axis. Only the rows in sight are drawn. */
export function Waterfall({ spans, now, chosen, onChoose }: WaterfallProps) {
  const t = useStrings(detailStrings);
  const locale = useLocale();
  const [filter, setFilter] = useState<"all" | "failed">("all");
  const [zoom, setZoom] = useState(1);
  const failed = useMemo(() => spans.filter((span) => span.tone === "bad"), [spans]);
  const shown = filter === "failed" ? failed : spans;
  const length = useAxisLength(spans, now);
  return (
    <Card>
      <CardHead
        title={
          <>
            {t("timeline")}{" "}
            <span className="font-normal text-fg-3">{formatDuration(locale, length.exact)}</span>
          </>
        }
      >
        <Button
          look="ghost"
          size="small"
          square
          aria-label={t("zoomOut")}
          disabled={zoom === 1}
          onClick={() => setZoom(Math.max(1, zoom / 2))}
        >
          <ZoomOut aria-hidden />
        </Button>
        <Button
          look="ghost"
          size="small"
          square
          aria-label={t("zoomIn")}
          disabled={zoom >= 64}
          onClick={() => setZoom(zoom * 2)}
        >
          <ZoomIn aria-hidden />
        </Button>
        <Segmented
          label={t("spans")}
          value={filter}
          options={[
            { value: "all", label: t("allSpans") },
            { value: "failed", label: t("failedSpans", { count: failed.length }) },
          ]}
          onChange={setFilter}
        />
      </CardHead>
      {shown.length === 0 ? (
        <p className="p-4 text-fg-3">{t("noSpans")}</p>
      ) : (
        <Chart
          spans={shown}
          now={now}
          length={length.rounded}
          zoom={zoom}
          chosen={chosen}
          onChoose={onChoose}
        />
      )}
    </Card>
  );
}

/** The axis grows in steps, so that it does not move with every frame of a running job. */
function useAxisLength(spans: readonly Span[], now: number): { exact: number; rounded: number } {
  const last = useRef(0);
  let exact = 1;
  for (const span of spans) exact = Math.max(exact, span.end ?? now);
  const isOpen = spans.some((span) => span.end === undefined);
  if (!isOpen) last.current = exact * 1.06;
  else if (exact > last.current || last.current > exact * 4) last.current = exact * 1.25;
  return { exact, rounded: last.current };
}

interface ChartProps extends WaterfallProps {
  readonly length: number;
  readonly zoom: number;
}

function Chart({ spans, now, length, zoom, chosen, onChoose }: ChartProps) {
  const t = useStrings(detailStrings);
  const [top, setTop] = useState(0);
  const first = Math.max(0, Math.floor(top / ROW) - EXTRA);
  const last = Math.min(spans.length, first + MOST_ROWS + 2 * EXTRA);
  const style = { "--zoom": zoom, maxHeight: MOST_ROWS * ROW + 34 } as CSSProperties;
  return (
    <div
      className="overflow-auto"
      style={style}
      onScroll={(e) => setTop(e.currentTarget.scrollTop)}
    >
      <div
        role="listbox"
        aria-label={t("timeline")}
        tabIndex={-1}
        className="relative min-w-full"
        style={{ width: `calc(var(--wf-label) + (100% - var(--wf-label)) * var(--zoom))` }}
      >
        <Axis length={length} zoom={zoom} />
        <div style={{ height: spans.length * ROW }} className="relative" role="presentation">
          <div style={{ transform: `translateY(${first * ROW}px)` }} role="presentation">
            {spans.slice(first, last).map((span) => (
              <SpanRow
                key={span.id}
                span={span}
                now={now}
                length={length}
                isChosen={chosen === span.id}
                onChoose={onChoose}
              />
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}

function Axis({ length, zoom }: { length: number; zoom: number }) {
  const t = useStrings(detailStrings);
  const locale = useLocale();
  const step = chooseStep(length, AXIS_STEPS * zoom);
  const marks = Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step);
  return (
    <div
      aria-hidden
      className="sticky top-0 z-[2] grid h-7 grid-cols-[var(--wf-label)_1fr] items-center border-line border-b bg-surface text-fg-3 text-xs tabular-nums"
    >
      <span className="sticky left-0 z-[1] bg-surface pl-4">{t("span")}</span>
      <span className="relative mr-16 h-full">
        {marks.map((mark) => (
          <span
            key={mark}
            className="absolute whitespace-nowrap border-line border-l pl-1 leading-7"
            style={{ left: `${(mark / length) * 100}%` }}
          >
            {formatDuration(locale, mark)}
          </span>
        ))}
      </span>
    </div>
  );
}

const BARS: Record<Span["tone"], string> = {
  idle: "wf-wait border border-idle-line",
  run: "bg-run",
  ok: "bg-ok/75",
  bad: "bg-bad",
  accent: "bg-accent",
};

interface SpanRowProps {
  readonly span: Span;
  readonly now: number;
  readonly length: number;
  readonly isChosen: boolean;
  readonly onChoose: (id: string) => void;
}

function SpanRow({ span, now, length, isChosen, onChoose }: SpanRowProps) {
  const t = useStrings(detailStrings);
  const locale = useLocale();
  const end = span.end ?? now;
  const duration = formatDuration(locale, Math.max(0, end - span.start));
  const left = (span.start / length) * 100;
  const width = ((end - span.start) / length) * 100;
  const isLate = left + width > 72;
  const note = useNote(span, duration);
  return (
    <button
      type="button"
      role="option"
      aria-selected={isChosen}
      onClick={() => onChoose(span.id)}
      className={clsx(
        "grid h-7 w-full grid-cols-[var(--wf-label)_1fr] items-center text-left text-sm hover:bg-raised focus-visible:-outline-offset-2",
        isChosen && "bg-accent-tint shadow-[inset_2px_0_0_var(--accent)]",
      )}
    >
      <span
        className={clsx(
          "sticky left-0 z-[1] flex h-full min-w-0 items-center gap-2 pr-3",
          isChosen ? "bg-accent-tint shadow-[inset_2px_0_0_var(--accent)]" : "bg-surface",
          span.depth === 0 ? "pl-4 text-fg" : "pl-10 text-fg-2",
        )}
      >
        {span.depth === 0 ? <SpanIcon span={span} /> : null}
        <span className="truncate">{getSpanName(span, t)}</span>
        <span className="ml-auto hidden text-fg-3 tabular-nums tablet:inline">
          {span.kind === "charge" ? "" : duration}
        </span>
      </span>
      <span className="relative mr-16 h-full">
        <span
          className={clsx(
            "absolute",
            span.kind === "charge"
              ? "top-[9px] -ml-[5px] size-2.5 rotate-45 rounded-[2px] bg-accent"
              : clsx(
                  "rounded-[3px]",
                  span.kind === "attempt" ? "top-[11px] h-1.5" : "top-[9px] h-2.5",
                  BARS[span.tone],
                  span.end === undefined && "rounded-r-none",
                ),
          )}
          style={
            span.kind === "charge"
              ? { left: `${left}%` }
              : { left: `${left}%`, width: `max(3px, ${width}%)` }
          }
        />
        <span
          className="absolute top-0 whitespace-nowrap text-fg-2 text-xs leading-7 tabular-nums"
          style={
            isLate
              ? { right: `calc(${100 - left}% + 10px)` }
              : { left: `calc(${left + width}% + 10px)` }
          }
        >
          {note}
        </span>
      </span>
    </button>
  );
}

function useNote(span: Span, duration: string): string {
  const t = useStrings(detailStrings);
  const jobs = useStrings(jobStrings);
  if (span.kind === "charge") return t("chargedOnce");
  if (span.kind === "wait") {
    const key = `waits_${span.name}` as const;
    return span.name && key in jobStrings ? jobs(key as "waits_paused") : "";
  }
  if (span.error) return span.error.slice(0, 60);
  if (span.kind === "step") return duration;
  if (span.tone === "bad") return t("failedFree");
  return "";
}

function SpanIcon({ span }: { span: Span }) {
  const className = "size-3.5 shrink-0";
  if (span.kind === "wait")
    return <Hourglass aria-hidden className={clsx(className, "text-fg-3")} />;
  if (span.kind === "charge")
    return <Receipt aria-hidden className={clsx(className, "text-accent")} />;
  if (span.tone === "run") {
    return <LoaderCircle aria-hidden className={clsx(className, "animate-spin text-run")} />;
  }
  return span.tone === "bad" ? (
    <CircleX aria-hidden className={clsx(className, "text-bad")} />
  ) : (
    <CircleCheck
      aria-hidden
      className={clsx(className, span.tone === "ok" ? "text-ok" : "text-fg-3")}
    />
  );
}
