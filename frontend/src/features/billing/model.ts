import type { components } from "@/lib/api/schema";

export type Plan = components["schemas"]["Plan"];
export type Offer = components["schemas"]["PlanOffer"];
export type Subscription = components["schemas"]["Subscription"];

const ORDER: readonly Plan[] = ["FREE", "PRO", "ENTERPRISE"];

/** What choosing a plan means for the present subscription. */
export type Step =
  | "present"
  | "keep"
  | "scheduled"
  | "checkout"
  | "upgrade"
  | "downgrade"
  | "cancel";

export function isSubscribed({ status }: Subscription): boolean {
  return !["none", "canceled", "incomplete", "incomplete_expired"].includes(status);
}

/** The plan that begins when the period ends, if it is another one. */
export function planAfter({ plan, next_plan, cancel_at_period_end }: Subscription): Plan | null {
  if (cancel_at_period_end) return "FREE";
  return next_plan === plan ? null : next_plan;
}

export function stepTo(plan: Plan, subscription: Subscription): Step {
  const after = planAfter(subscription);
  if (plan === subscription.plan) return after ? "keep" : "present";
  if (plan === after) return "scheduled";
  if (!isSubscribed(subscription)) return "checkout";
  if (plan === "FREE") return "cancel";
  return ORDER.indexOf(plan) > ORDER.indexOf(subscription.plan) ? "upgrade" : "downgrade";
}

/** Whether the change of `step` to `plan` shows in the subscription already. */
export function hasArrived(step: Step, plan: Plan, subscription: Subscription): boolean {
  if (step === "downgrade" || step === "cancel") {
    return planAfter(subscription) === plan || subscription.plan === plan;
  }
  return subscription.plan === plan && (step !== "keep" || planAfter(subscription) === null);
}

export function isForSale(offer: Offer): offer is Offer & { currency: string } {
  return offer.plan === "FREE" || (offer.currency !== null && offer.amount_per_period !== null);
}

/** The provider's page is a page of the web: no other scheme is opened. */
export function isWebAddress(url: string): boolean {
  return URL.canParse(url) && ["https:", "http:"].includes(new URL(url).protocol);
}
