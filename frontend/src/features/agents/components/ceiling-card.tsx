"use client";

import { formatDuration, formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { Card, CardHead, Facts } from "@/ui/card";
import { Meter } from "@/ui/meter";
import { formatUsd, isFinal, type Run } from "../model";
import { agentStrings } from "../strings";

/** What the run may use: spent, held and left. */
export function CeilingCard({ run }: { run: Run }) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const { cost_micro_usd: cost, tokens, steps, seconds } = run.ceilings;
  const usd = (micro: number) => formatUsd(locale, micro);
  const count = (value: number) => formatNumber(locale, value);
  const of = (used: number, limit: number | null, print: (value: number) => string) =>
    limit === null ? print(used) : t("usedOf", { used: print(used), limit: print(limit) });
  const time = (value: number) => formatDuration(locale, value * 1000);
  return (
    <Card>
      <CardHead title={t("ceiling")}>
        {cost.limit === null ? null : (
          <span className="text-fg-3 text-sm tabular-nums">{usd(cost.limit)}</span>
        )}
      </CardHead>
      <div className="grid gap-3 p-4">
        {cost.limit === null ? (
          <p className="text-fg-2">{t("costUnknown")}</p>
        ) : (
          <>
            <Meter
              used={cost.spent}
              held={cost.held}
              limit={cost.limit}
              label={t("ceilingLabel", {
                spent: usd(cost.spent),
                held: usd(cost.held),
                limit: usd(cost.limit),
              })}
            />
            <Facts
              items={[
                [t("spent"), usd(cost.spent)],
                [t("held"), usd(cost.held)],
                [t("left"), usd(cost.left ?? 0)],
              ]}
            />
          </>
        )}
        <div className="border-line border-t pt-3">
          <Facts
            items={[
              [t("colTokens"), of(tokens.spent, tokens.limit, count)],
              [t("steps"), of(steps.spent, steps.limit, count)],
              [t("jobs"), count(run.spend.child_jobs)],
              [t("time"), of(seconds.spent, seconds.limit, time)],
            ]}
          />
        </div>
        {isFinal(run.state) ? null : <p className="text-fg-2 text-sm">{t("ceilingNote")}</p>}
      </div>
    </Card>
  );
}
