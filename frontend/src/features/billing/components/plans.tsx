"use client";

import { Check } from "lucide-react";
import { useState } from "react";
import { formatDate } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { PLAN_NAMES } from "@/lib/plans";
import { useAction } from "@/lib/use-action";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { Confirm } from "@/ui/confirm";
import { InlineError } from "@/ui/inline-error";
import {
  hasArrived,
  isForSale,
  type Offer,
  type Plan,
  type Step,
  type Subscription,
  stepTo,
} from "../model";
import { usePrice } from "../prices";
import { changePlan, type Expectation, openCheckout, useIntention } from "../queries";
import { billingStrings } from "../strings";
import { UpgradePreview } from "./preview";

type Choice = { plan: Plan; step: Step };

const TITLES = {
  upgrade: "upgradeTitle",
  downgrade: "downgradeTitle",
  cancel: "cancelTitle",
} as const;
const LABELS = {
  checkout: "choose",
  upgrade: "choose",
  downgrade: "downgrade",
  cancel: "cancel",
  keep: "keep",
} as const;

function isAsked(step: Step): step is keyof typeof TITLES {
  return step in TITLES;
}

/** The plans side by side, each with the one thing that it can do for the reader. */
export function Plans({
  offers,
  subscription,
  onChange,
}: {
  offers: readonly Offer[];
  subscription: Subscription;
  onChange: (expected: Expectation) => void;
}) {
  const t = useStrings(billingStrings);
  const [asked, setAsked] = useState<Choice | null>(null);
  const intention = useIntention();
  async function change({ plan, step }: Choice) {
    const key = intention.keyOf(`${step} ${plan} ${subscription.period_end}`);
    if (step === "checkout") {
      await openCheckout(plan, key);
    } else {
      await changePlan(plan, key);
      onChange((next) => hasArrived(step, plan, next));
    }
    intention.done();
  }
  const direct = useAction(change);
  return (
    <section id="plans" aria-labelledby="plans-title" className="grid scroll-mt-16 gap-3">
      <h2 id="plans-title">{t("compare")}</h2>
      <InlineError error={direct.error} />
      <ul className="grid gap-4 tablet:grid-cols-3">
        {offers.map((offer) => (
          <li key={offer.plan} className="grid">
            <PlanCard
              offer={offer}
              subscription={subscription}
              isBusy={direct.busy}
              onChoose={(choice) => {
                if (isAsked(choice.step)) setAsked(choice);
                else void direct.act(choice);
              }}
            />
          </li>
        ))}
      </ul>
      {asked ? (
        <Question
          choice={asked}
          periodEnd={subscription.period_end}
          onClose={() => setAsked(null)}
          run={() => change(asked)}
        />
      ) : null}
    </section>
  );
}

function Question({
  choice: { plan, step },
  periodEnd,
  onClose,
  run,
}: {
  choice: Choice;
  periodEnd: string | null;
  onClose: () => void;
  run: () => Promise<void>;
}) {
  const t = useStrings(billingStrings);
  const locale = useLocale();
  if (!isAsked(step)) return null;
  const name = { plan: PLAN_NAMES[plan] };
  const later = periodEnd
    ? t("laterAbout", { date: formatDate(locale, periodEnd) })
    : t("laterAboutOpen");
  return (
    <Confirm
      open
      onClose={onClose}
      title={t(TITLES[step], name)}
      about={step === "upgrade" ? t("upgradeAbout", name) : later}
      action={step === "cancel" ? t("end") : t(LABELS[step], name)}
      danger={step === "cancel"}
      run={run}
    >
      {step === "upgrade" ? <UpgradePreview plan={plan} period={periodEnd} /> : null}
    </Confirm>
  );
}

function PlanCard({
  offer,
  subscription,
  isBusy,
  onChoose,
}: {
  offer: Offer;
  subscription: Subscription;
  isBusy: boolean;
  onChoose: (choice: Choice) => void;
}) {
  const t = useStrings(billingStrings);
  const locale = useLocale();
  const price = usePrice();
  const { plan, jobs_per_period: jobs, slots } = offer;
  const step = stepTo(plan, subscription);
  const end = subscription.period_end;
  const facts = [
    jobs === null ? t("jobsOpen") : t("jobs", { count: jobs }),
    t("slots", { count: slots }),
    price.job(offer, "jobPrice", "jobFree"),
  ];
  const isPresent = plan === subscription.plan;
  return (
    <Card
      className={
        isPresent ? "flex flex-col gap-3 !border-accent-line p-4" : "flex flex-col gap-3 p-4"
      }
    >
      <header className="flex items-center gap-2">
        <h3 className="mr-auto font-semibold text-md">{PLAN_NAMES[plan]}</h3>
        {isPresent ? <Badge tone="accent">{t("present")}</Badge> : null}
        {step === "scheduled" && end ? (
          <Badge tone="need">{t("scheduled", { date: formatDate(locale, end) })}</Badge>
        ) : null}
      </header>
      <p className="font-semibold text-lg tabular-nums">{price.period(offer)}</p>
      <ul className="grid gap-1.5 text-fg-2 text-sm">
        {facts.map((fact) => (
          <li key={fact} className="flex items-start gap-2">
            <Check aria-hidden className="mt-0.5 size-4 shrink-0 text-ok" /> {fact}
          </li>
        ))}
      </ul>
      {step !== "present" &&
      step !== "scheduled" &&
      isForSale(offer) &&
      (plan !== "FREE" || step !== "checkout") ? (
        <Button
          className="mt-auto self-start"
          look={step === "checkout" || step === "upgrade" || step === "keep" ? "primary" : "plain"}
          busy={isBusy}
          onClick={() => onChoose({ plan, step })}
        >
          {t(LABELS[step], { plan: PLAN_NAMES[plan] })}
        </Button>
      ) : null}
    </Card>
  );
}
