"use client";

import { Download } from "lucide-react";
import { useState } from "react";
import { formatDate, formatDay, formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { usageStrings } from "@/lib/i18n/strings/usage";
import { Button } from "@/ui/button";
import { Card, CardHead } from "@/ui/card";
import { Segmented } from "@/ui/segmented";
import { Table, Td, Th, Tr } from "@/ui/table";
import { busiest, csvOfDays } from "../model";
import type { DayOfUsage } from "../queries";
import { DayChart } from "./day-chart";

function download(days: readonly DayOfUsage[]): void {
  const url = URL.createObjectURL(new Blob([csvOfDays(days)], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `usage-${days[0]?.day ?? "empty"}.csv`;
  link.click();
  URL.revokeObjectURL(url);
}

export const RANGES = ["7", "30", "90"] as const;
export type Range = (typeof RANGES)[number];

export function ByDay({
  days,
  total,
  range,
  onRange,
}: {
  days: readonly DayOfUsage[];
  total: number;
  range: Range;
  onRange: (range: Range) => void;
}) {
  const t = useStrings(usageStrings);
  const locale = useLocale();
  const [view, setView] = useState<"chart" | "table">("chart");
  const most = busiest(days);
  const label = t("chartLabel", {
    days: days.length,
    total,
    most: most?.jobs ?? 0,
    day: most ? formatDay(locale, most.day) : "–",
  });
  return (
    <Card className="overflow-hidden">
      <CardHead title={t("byDay")}>
        <Segmented<Range>
          label={t("range")}
          value={range}
          onChange={onRange}
          options={RANGES.map((value) => ({ value, label: t("days", { count: value }) }))}
        />
        <Segmented
          label={t("view")}
          value={view}
          onChange={setView}
          options={[
            { value: "chart", label: t("chart") },
            { value: "table", label: t("table") },
          ]}
        />
        <Button look="ghost" size="small" onClick={() => download(days)}>
          <Download aria-hidden />
          {t("csv")}
        </Button>
      </CardHead>
      {view === "chart" ? (
        <div className="p-4">
          <DayChart days={days} label={label} />
        </div>
      ) : (
        <div className="max-h-[272px] overflow-y-auto p-4">
          <Table label={t("byDay")}>
            <thead>
              <tr>
                <Th>{t("day")}</Th>
                <Th right>{t("jobs")}</Th>
              </tr>
            </thead>
            <tbody>
              {days.toReversed().map(({ day, jobs }) => (
                <Tr key={day}>
                  <Td>{formatDate(locale, day)}</Td>
                  <Td right>{formatNumber(locale, jobs)}</Td>
                </Tr>
              ))}
            </tbody>
          </Table>
        </div>
      )}
    </Card>
  );
}
