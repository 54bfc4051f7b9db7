"use client";

import { CircleCheck, TriangleAlert } from "lucide-react";
import { formatDate } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { PLAN_NAMES } from "@/lib/plans";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { AnswerStrip } from "@/ui/strip";
import { type Offer, planAfter, type Subscription } from "../model";
import { usePrice } from "../prices";
import { billingStrings } from "../strings";

/** When the plan renews or ends, in words. */
function useFuture(subscription: Subscription): string {
  const t = useStrings(billingStrings);
  const locale = useLocale();
  const { period_end: end, trial_end: trial } = subscription;
  const after = planAfter(subscription);
  if (!end) return t("noEnd");
  const date = formatDate(locale, end);
  if (after === "FREE") return t("ends", { date });
  if (after) return t("becomes", { plan: PLAN_NAMES[after], date });
  if (subscription.status === "trialing" && trial) {
    return t("trialEnds", { date: formatDate(locale, trial) });
  }
  return t("renews", { date });
}

export function BillingAnswers({
  subscription,
  offer,
}: {
  subscription: Subscription;
  offer: Offer | undefined;
}) {
  const t = useStrings(billingStrings);
  const locale = useLocale();
  const price = usePrice();
  const future = useFuture(subscription);
  const since = subscription.past_due_since;
  const isFree = subscription.plan === "FREE";
  return (
    <AnswerStrip
      label={t("answers")}
      answers={[
        { label: t("plan"), fact: PLAN_NAMES[subscription.plan], reason: future },
        since
          ? {
              label: t("needsYou"),
              fact: (
                <>
                  <TriangleAlert aria-hidden className="size-4 text-bad" /> {t("pastDue")}
                </>
              ),
              reason: t("pastDueSince", { date: formatDate(locale, since) }),
            }
          : {
              label: t("needsYou"),
              fact: (
                <span className="flex items-center gap-1.5 font-medium text-fg-2">
                  <CircleCheck aria-hidden className="size-4 text-ok" /> {t("nothing")}
                </span>
              ),
              reason: isFree ? t("free") : t("paid"),
            },
        {
          label: t("cost"),
          fact: offer ? price.period(offer) : "–",
          reason: offer ? price.job(offer, "perJob", "noPerJob") : undefined,
        },
      ]}
    />
  );
}

/** What stops jobs or will stop them, with the one action that clears it. */
export function BillingBanners({
  subscription,
  onPortal,
  isLeaving,
}: {
  subscription: Subscription;
  onPortal: () => void;
  isLeaving: boolean;
}) {
  const t = useStrings(billingStrings);
  const locale = useLocale();
  const since = subscription.past_due_since;
  return (
    <>
      {since ? (
        <Banner
          tone="bad"
          title={t("pastDue")}
          action={
            <Button look="primary" busy={isLeaving} onClick={onPortal}>
              {t("payNow")}
            </Button>
          }
        >
          {t("pastDueSince", { date: formatDate(locale, since) })}
        </Banner>
      ) : null}
      {subscription.is_disputed ? (
        <Banner tone="bad" title={t("disputed")}>
          {t("disputedAbout")}
        </Banner>
      ) : null}
    </>
  );
}
