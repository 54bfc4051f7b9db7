"use client";

import { useEffect, useRef } from "react";
import type uPlot from "uplot";
import { useTheme } from "@/app/providers";
import { formatDay, formatNumber } from "@/lib/format";
import { useLocale } from "@/lib/i18n/provider";
import type { DayOfUsage } from "../queries";

const HEIGHT = 240;

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Bars of jobs a day. The words for those who cannot see it are its label and the table. */
export function DayChart({ days, label }: { days: readonly DayOfUsage[]; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const { theme } = useTheme();
  const locale = useLocale();

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes what colour() reads
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let plot: uPlot | undefined;
    let ended = false;
    import("uplot")
      .then(({ default: UPlot }) => {
        if (ended) return;
        const font = "11px Inter, ui-sans-serif, system-ui, sans-serif";
        const axis = { stroke: colour("--fg-3"), font, ticks: { show: false } };
        plot = new UPlot(
          {
            width: element.clientWidth,
            height: HEIGHT,
            tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1000), "UTC"),
            padding: [12, 8, 0, 0],
            cursor: { y: false, points: { show: false } },
            legend: { show: false },
            scales: { y: { range: (_plot, _min, max) => [0, Math.max(4, max * 1.12)] } },
            axes: [
              {
                ...axis,
                size: 30,
                grid: { show: false },
                values: (_plot, splits) => splits.map((second) => formatDay(locale, second * 1000)),
              },
              {
                ...axis,
                size: 44,
                grid: { stroke: colour("--line"), width: 1 },
                incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000],
                values: (_plot, splits) => splits.map((value) => formatNumber(locale, value)),
              },
            ],
            series: [
              {},
              {
                fill: colour("--c1"),
                stroke: colour("--c2"),
                width: 0,
                ...(UPlot.paths.bars
                  ? { paths: UPlot.paths.bars({ size: [0.72, 32], radius: 0.12 }) }
                  : {}),
                points: { show: false },
              },
            ],
          },
          [
            days.map(({ day }) => Date.parse(`${day}T00:00:00Z`) / 1000),
            days.map(({ jobs }) => jobs),
          ],
          element,
        );
      })
      .catch(() => undefined); // the table beside it has the same figures
    const observer = new ResizeObserver(() =>
      plot?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    observer.observe(element);
    return () => {
      ended = true;
      observer.disconnect();
      plot?.destroy();
    };
  }, [days, theme, locale]);

  return <div ref={box} role="img" aria-label={label} className="h-60 w-full overflow-hidden" />;
}
