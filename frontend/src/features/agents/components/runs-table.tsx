"use client";

import Link from "next/link";
import { formatAge, formatMoment, formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { useNow } from "@/lib/use-now";
import { ShortId } from "@/ui/id";
import { Table, Td, Th, Tr } from "@/ui/table";
import { formatUsd, type RunSummary } from "../model";
import { agentStrings } from "../strings";
import { RunStateBadge } from "./run-state";

export function RunsTable({ runs }: { runs: readonly RunSummary[] }) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const now = useNow(10_000);
  return (
    <Table label={t("title")}>
      <thead>
        <tr>
          <Th>{t("colState")}</Th>
          <Th>{t("colTitle")}</Th>
          <Th>{t("colWorkflow")}</Th>
          <Th right>{t("colSteps")}</Th>
          <Th right>{t("colTokens")}</Th>
          <Th right>{t("colCost")}</Th>
          <Th right>{t("colAge")}</Th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <Tr key={run.id} data-run={run.id}>
            <Td>
              <RunStateBadge run={run} />
            </Td>
            <Td className="w-full max-w-0 truncate">
              <Link href={`/agents/${run.id}`} className="font-medium hover:underline">
                {run.title || t(run.workflow_type)}
              </Link>{" "}
              <span className="text-fg-3">
                <ShortId id={run.id} bare />
              </span>
            </Td>
            <Td className="text-fg-2">{t(run.workflow_type)}</Td>
            <Td right>{formatNumber(locale, run.spend.steps)}</Td>
            <Td right>{formatNumber(locale, run.ceilings.tokens.spent)}</Td>
            <Td right>{formatUsd(locale, run.spend.cost_micro_usd)}</Td>
            <Td right className="text-fg-2">
              <time dateTime={run.created_at} title={formatMoment(locale, run.created_at)}>
                {formatAge(now, run.created_at)}
              </time>
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
