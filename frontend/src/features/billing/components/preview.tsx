"use client";

import { formatDate } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { formatMoney } from "@/lib/money";
import { PLAN_NAMES } from "@/lib/plans";
import { Card, CardHead } from "@/ui/card";
import { InlineError } from "@/ui/inline-error";
import { Bone } from "@/ui/skeleton";
import { type Preview, usePreview } from "../invoice-queries";
import { invoiceStrings } from "../invoice-strings";
import type { Plan, Subscription } from "../model";

type Line = Preview["lines"][number];

function useLineText(currency: string): (line: Line) => string {
  const t = useStrings(invoiceStrings);
  const locale = useLocale();
  return ({ kind, plan, amount, quantity, unit_amount: price }) => {
    const name = { plan: PLAN_NAMES[plan] };
    if (kind === "metered") {
      return t("metered", {
        count: quantity,
        price: formatMoney(locale, price ?? "0", currency),
      });
    }
    if (kind === "proration") return t(amount < 0 ? "unused" : "rest", name);
    return t("flat", name);
  };
}

function PreviewLines({ preview }: { preview: Preview }) {
  const t = useStrings(invoiceStrings);
  const locale = useLocale();
  const text = useLineText(preview.currency);
  const money = (amount: number) => formatMoney(locale, amount, preview.currency);
  return (
    <dl className="grid grid-cols-[1fr_max-content] gap-x-4 gap-y-1.5 tabular-nums">
      {preview.lines.map((line) => (
        <div
          key={`${line.kind} ${line.plan} ${line.amount} ${line.period_start}`}
          className="contents"
        >
          <dt className="text-fg-2">{text(line)}</dt>
          <dd className="text-right">{money(line.amount)}</dd>
        </div>
      ))}
      <div className="contents font-semibold">
        <dt>{t("total")}</dt>
        <dd className="text-right">{money(preview.total)}</dd>
      </div>
    </dl>
  );
}

/** What the next invoice charges as of now. */
export function NextInvoice({ subscription }: { subscription: Subscription }) {
  const t = useStrings(invoiceStrings);
  const locale = useLocale();
  const { plan, next_plan, period_end, cancel_at_period_end: ends } = subscription;
  const { data, error } = usePreview(null, `${plan} ${next_plan} ${period_end} ${ends}`);
  return (
    <Card aria-label={t("next")}>
      <CardHead title={t("next")}>
        {data?.due_at ? (
          <span className="text-fg-3 text-sm">
            {t("nextDue", { date: formatDate(locale, data.due_at) })}
          </span>
        ) : null}
      </CardHead>
      <div className="grid gap-3 p-4">
        {data ? (
          data.due_at ? (
            <PreviewLines preview={data} />
          ) : (
            <p className="text-fg-2">{t("nextNothing")}</p>
          )
        ) : error ? (
          <InlineError error={error} />
        ) : (
          <Bone className="w-56" />
        )}
      </div>
    </Card>
  );
}

/** What a change to a higher plan charges at once. */
export function UpgradePreview({ plan, period }: { plan: Plan; period: string | null }) {
  const t = useStrings(invoiceStrings);
  const { data, error } = usePreview(plan, `upgrade ${period}`);
  if (data) {
    return (
      <section aria-label={t("chargedNow")} className="grid gap-2">
        <h3 className="font-medium text-fg-3 text-xs">{t("chargedNow")}</h3>
        <PreviewLines preview={data} />
      </section>
    );
  }
  return error ? <InlineError error={error} /> : <Bone className="w-56" />;
}
