"use client";

import { CreditCard } from "lucide-react";
import { useEffect, useState } from "react";
import { ApiError } from "@/lib/api/problems";
import { useStrings } from "@/lib/i18n/provider";
import { PLAN_NAMES } from "@/lib/plans";
import { useAction } from "@/lib/use-action";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { ErrorState } from "@/ui/error-state";
import { InlineError } from "@/ui/inline-error";
import { Page } from "@/ui/page";
import { Bone, TableSkeleton } from "@/ui/skeleton";
import { useToast } from "@/ui/toast";
import { isSubscribed, type Offer, planAfter, type Subscription } from "../model";
import {
  type Expectation,
  openPortal,
  useExpectation,
  usePlans,
  useSubscription,
} from "../queries";
import { billingStrings } from "../strings";
import { BillingAnswers, BillingBanners } from "./answers";
import { Invoices } from "./invoices";
import { Plans } from "./plans";
import { NextInvoice } from "./preview";
import { SpendLimit } from "./spend-limit";

type Checkout = "completed" | "cancelled" | null;

const isPaid: Expectation = ({ plan }) => plan !== "FREE";

function BillingSkeleton() {
  const t = useStrings(billingStrings);
  return (
    <>
      <Card className="grid gap-3 p-4 tablet:grid-cols-3">
        {["a", "b", "c"].map((key) => (
          <div key={key} className="grid gap-2">
            <Bone className="w-12" />
            <Bone className="!h-4 w-40" />
            <Bone className="w-56" />
          </div>
        ))}
      </Card>
      <TableSkeleton rows={5} label={t("loading")} />
    </>
  );
}

/** What the reader has just done, and whether it has arrived. */
function Progress({
  isWaiting,
  isLate,
  wasLeft,
}: {
  isWaiting: boolean;
  isLate: boolean;
  wasLeft: boolean;
}) {
  const t = useStrings(billingStrings);
  if (isWaiting) {
    return (
      <Banner title={t(isLate ? "lateTitle" : "activating")}>
        {t(isLate ? "lateAbout" : "activatingAbout")}
      </Banner>
    );
  }
  return wasLeft ? <Banner title={t("abandoned")}>{t("abandonedAbout")}</Banner> : null;
}

/** The address of the page without the mark of the checkout: a reload says it no more. */
function useCleanAddress(): void {
  useEffect(() => {
    if (window.location.search) window.history.replaceState(null, "", window.location.pathname);
  }, []);
}

function Body({
  offers,
  subscription,
  onPortal,
  isLeaving,
  onChange,
  reload,
}: {
  offers: readonly Offer[];
  subscription: Subscription;
  onPortal: () => void;
  isLeaving: boolean;
  onChange: (expected: Expectation) => void;
  reload: () => Promise<void>;
}) {
  // The part that a link names is there only now, after the data.
  useEffect(() => {
    if (window.location.hash) {
      document.getElementById(window.location.hash.slice(1))?.scrollIntoView();
    }
  }, []);
  const offer = offers.find((each) => each.plan === subscription.plan);
  const currency = offers.find((each) => each.currency)?.currency ?? null;
  const hasLimit = subscription.plan !== "FREE" || subscription.spend_limit !== null;
  return (
    <>
      <BillingBanners subscription={subscription} onPortal={onPortal} isLeaving={isLeaving} />
      <BillingAnswers subscription={subscription} offer={offer} />
      <Plans offers={offers} subscription={subscription} onChange={onChange} />
      <div className="grid items-start gap-4 wide:grid-cols-2">
        {currency && hasLimit ? (
          <SpendLimit limit={subscription.spend_limit} currency={currency} onChange={reload} />
        ) : null}
        {isSubscribed(subscription) ? <NextInvoice subscription={subscription} /> : null}
      </div>
      <Invoices />
    </>
  );
}

export function BillingPage({ checkout }: { checkout: Checkout }) {
  const t = useStrings(billingStrings);
  const toast = useToast();
  const { expected, isLate, expect } = useExpectation(checkout === "completed" ? isPaid : null);
  const [wasLeft] = useState(checkout === "cancelled");
  const plans = usePlans();
  const subscription = useSubscription(expected !== null);
  const portal = useAction(openPortal);
  useCleanAddress();

  const { data, error } = subscription;
  const arrived = expected !== null && data !== undefined && expected(data);
  const plan = data?.plan;
  const after = data ? planAfter(data) : null;
  useEffect(() => {
    if (!arrived || !plan) return;
    expect(null);
    toast({ title: after ? t("saved") : t("arrived", { plan: PLAN_NAMES[plan] }) });
  }, [arrived, plan, after, expect, toast, t]);

  const failure = error ?? plans.error;
  const retry = () => {
    void subscription.reload();
    void plans.reload();
  };
  const isOld = data !== undefined && error !== undefined;
  return (
    <Page
      title={t("title")}
      actions={
        data && isSubscribed(data) ? (
          <Button busy={portal.busy} onClick={() => void portal.act()}>
            <CreditCard aria-hidden /> {t("portal")}
          </Button>
        ) : null
      }
    >
      <Progress isWaiting={expected !== null} isLate={isLate} wasLeft={wasLeft} />
      {isOld ? (
        <Banner
          tone="need"
          title={t("stale")}
          action={<Button onClick={retry}>{t("tryAgain")}</Button>}
        >
          {t("staleAbout")}{" "}
          {error instanceof ApiError && error.correlationId ? (
            <code className="font-mono text-sm">{error.correlationId}</code>
          ) : null}
        </Banner>
      ) : null}
      <InlineError error={portal.error} />
      {data && plans.data ? (
        <Body
          offers={plans.data.items}
          subscription={data}
          onPortal={() => void portal.act()}
          isLeaving={portal.busy}
          onChange={(next) => {
            expect(next);
            void subscription.reload();
          }}
          reload={subscription.reload}
        />
      ) : failure ? (
        <ErrorState error={failure} onRetry={retry} />
      ) : (
        <BillingSkeleton />
      )}
    </Page>
  );
}
