"use client";

import type { components } from "@/lib/api/schema";
import { formatDate, formatDuration, formatNumber, formatPercent } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { usageStrings } from "@/lib/i18n/strings/usage";
import { PLAN_NAMES } from "@/lib/plans";
import { Table, Td, Th, Tr } from "@/ui/table";
import type { TypeRow } from "../model";

export function TypesTable({ rows }: { rows: readonly TypeRow[] }) {
  const t = useStrings(usageStrings);
  const locale = useLocale();
  const seconds = (value: number | null) =>
    value === null ? "–" : formatDuration(locale, value * 1000);
  return (
    <Table label={t("byType")}>
      <thead>
        <tr>
          <Th>{t("type")}</Th>
          <Th right>{t("jobs")}</Th>
          <Th right>{t("share")}</Th>
          <Th right>{t("success")}</Th>
          <Th right>p50</Th>
          <Th right>p95</Th>
          <Th right>{t("failedFree")}</Th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <Tr key={row.type}>
            <Td className="font-mono text-sm">{row.type}</Td>
            <Td right className="font-medium">
              {formatNumber(locale, row.jobs)}
            </Td>
            <Td right className="text-fg-2">
              {formatPercent(locale, row.share)}
            </Td>
            <Td right>{row.rate === null ? "–" : formatPercent(locale, row.rate, 1)}</Td>
            <Td right className="text-fg-2">
              {seconds(row.p50)}
            </Td>
            <Td right className="text-fg-2">
              {seconds(row.p95)}
            </Td>
            <Td right className="text-fg-2">
              {formatNumber(locale, row.failed)}
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}

export function PeriodsTable({
  periods,
}: {
  periods: readonly components["schemas"]["EarlierPeriod"][];
}) {
  const t = useStrings(usageStrings);
  const locale = useLocale();
  return (
    <Table label={t("earlier")}>
      <thead>
        <tr>
          <Th>{t("periodHead")}</Th>
          <Th>{t("plan")}</Th>
          <Th right>{t("used")}</Th>
          <Th right>{t("limit")}</Th>
        </tr>
      </thead>
      <tbody>
        {periods.map((period) => (
          <Tr key={period.period_start}>
            <Td>
              {formatDate(locale, period.period_start)} – {formatDate(locale, period.period_end)}
            </Td>
            <Td className="text-fg-2">{PLAN_NAMES[period.plan]}</Td>
            <Td right>{formatNumber(locale, period.jobs_used)}</Td>
            <Td right className="text-fg-2">
              {period.jobs_limit === null ? t("none") : formatNumber(locale, period.jobs_limit)}
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
