"use client";

import { ScrollText } from "lucide-react";
import { formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { operatorStrings } from "@/lib/i18n/strings/operator";
import { ErrorState } from "@/ui/error-state";
import { ShortId } from "@/ui/id";
import { TableSkeleton } from "@/ui/skeleton";
import { StatePanel } from "@/ui/states";
import { Table, Td, Th, Tr } from "@/ui/table";
import { useAudit } from "../queries";

/** What was changed by whom, the newest first. */
export function Audit() {
  const t = useStrings(operatorStrings);
  const locale = useLocale();
  const { data, error, reload } = useAudit();
  if (!data) {
    if (error) return <ErrorState error={error} onRetry={() => void reload()} />;
    return <TableSkeleton label={t("loadingAudit")} />;
  }
  if (data.items.length === 0) return <StatePanel icon={ScrollText} title={t("noAudit")} />;
  return (
    <Table label={t("audit")}>
      <thead>
        <tr>
          <Th>{t("moment")}</Th>
          <Th>{t("action")}</Th>
          <Th>{t("actor")}</Th>
          <Th>{t("target")}</Th>
          <Th>{t("correlation")}</Th>
        </tr>
      </thead>
      <tbody>
        {data.items.map((entry) => (
          <Tr key={entry.id}>
            <Td className="text-fg-2">{formatMoment(locale, entry.occurred_at)}</Td>
            <Td className="font-mono text-sm">{entry.action}</Td>
            <Td className="text-fg-2">
              {entry.actor_kind} {entry.actor_id ? <ShortId id={entry.actor_id} /> : null}
            </Td>
            <Td className="text-fg-2">
              {entry.target_kind}{" "}
              <span className="font-mono text-sm">{entry.target.slice(-12)}</span>
            </Td>
            <Td>
              <ShortId id={entry.correlation_id} />
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
