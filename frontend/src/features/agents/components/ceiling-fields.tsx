"use client";

import { formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { Field, Input } from "@/ui/field";
import {
  CEILINGS,
  type CeilingName,
  isWithin,
  type PlanCeilings,
  type TypedCeilings,
  UNITS,
} from "../ceilings-form";
import { formatUsd } from "../model";
import { agentStrings } from "../strings";

/** How far the run may go; what the plan allows at most stands beneath each field. */
export function CeilingFields({
  plan,
  limits,
  onChange,
}: {
  plan: PlanCeilings;
  limits: TypedCeilings;
  onChange: (limits: TypedCeilings) => void;
}) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const print = (name: CeilingName) =>
    name === "cost_micro_usd"
      ? formatUsd(locale, plan[name])
      : formatNumber(locale, plan[name] / UNITS[name]);
  return (
    <fieldset className="grid gap-3 border-line border-t pt-4">
      <legend className="sr-only">{t("ceilings")}</legend>
      <div>
        <p aria-hidden className="font-semibold">
          {t("ceilings")}
        </p>
        <p className="text-fg-2 text-sm">{t("ceilingsAbout")}</p>
      </div>
      <div className="grid gap-4 tablet:grid-cols-4">
        {CEILINGS.map((name) => {
          const value = limits[name];
          const isBroken = value !== undefined && !isWithin(name, value, plan);
          return (
            <Field
              key={name}
              label={t(`limit_${name}`)}
              hint={t("atMost", { value: print(name) })}
              {...(isBroken && { error: t("err_limit", { value: print(name) }) })}
            >
              {(ids) => (
                <Input
                  {...ids}
                  type="number"
                  inputMode="decimal"
                  min={0}
                  step="any"
                  value={value ?? ""}
                  onChange={(event) => {
                    const { [name]: _, ...others } = limits;
                    const typed = event.target.value;
                    onChange(
                      typed === "" ? others : { ...others, [name]: event.target.valueAsNumber },
                    );
                  }}
                />
              )}
            </Field>
          );
        })}
      </div>
    </fieldset>
  );
}
