"use client";

import { type FormEvent, useState } from "react";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { formatMoney, parseMoney } from "@/lib/money";
import { useAction } from "@/lib/use-action";
import { Button } from "@/ui/button";
import { Card, CardHead } from "@/ui/card";
import { Field, Input } from "@/ui/field";
import { InlineError } from "@/ui/inline-error";
import { setSpendLimit, useIntention } from "../queries";
import { billingStrings } from "../strings";

const MOST = 100_000_000;

/** The limit that the user sets: jobs beyond it are refused. */
export function SpendLimit({
  limit,
  currency,
  onChange,
}: {
  limit: number | null;
  currency: string;
  onChange: () => Promise<void>;
}) {
  const t = useStrings(billingStrings);
  const locale = useLocale();
  const intention = useIntention();
  const [text, setText] = useState("");
  const [isTried, setTried] = useState(false);
  const change = useAction(async (amount: number | null) => {
    await setSpendLimit(amount, intention.keyOf(`limit ${amount}`));
    intention.done();
    setText("");
    setTried(false);
    await onChange();
  });
  const amount = parseMoney(text, currency);
  const isWrong = amount === undefined || amount > MOST;
  function submit(event: FormEvent) {
    event.preventDefault();
    setTried(true);
    if (!isWrong) void change.act(amount);
  }
  const most = formatMoney(locale, MOST, currency);
  return (
    <Card id="spend-limit">
      <CardHead title={t("spendLimit")} />
      <form noValidate onSubmit={submit} className="grid gap-3 p-4">
        <p className="text-fg-2">{t("spendLimitAbout")}</p>
        <p role="status" className="font-medium">
          {limit === null
            ? t("limitNone")
            : t("limitIs", { amount: formatMoney(locale, limit, currency) })}
        </p>
        <Field
          label={t("limitAmount", { currency: currency.toUpperCase() })}
          hint={t("limitHint")}
          {...(isTried && isWrong ? { error: t("limitWrong", { most }) } : {})}
        >
          {(ids) => (
            <Input
              {...ids}
              inputMode="decimal"
              autoComplete="off"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <InlineError error={change.error} />
        <div className="flex flex-wrap gap-2">
          <Button type="submit" busy={change.busy}>
            {t("limitSet")}
          </Button>
          {limit === null ? null : (
            <Button look="ghost" disabled={change.busy} onClick={() => void change.act(null)}>
              {t("limitClear")}
            </Button>
          )}
        </div>
      </form>
    </Card>
  );
}
