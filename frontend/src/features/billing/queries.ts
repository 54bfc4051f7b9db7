import { useEffect, useRef, useState } from "react";
import { api, read } from "@/lib/api/client";
import { unreachable } from "@/lib/api/problems";
import { useAccount, useUser } from "@/lib/auth/provider";
import { useResource } from "@/lib/resource";
import { isWebAddress, type Plan, type Subscription } from "./model";

const SETTLED_MS = 15_000;
const WAITING_MS = 700;
const FOLLOWING_TIMES = 60;

export function usePlans() {
  return useResource("plans", (signal) => read(api.GET("/billing/plans", { signal })));
}

/** Calls `run` again and again, each time a pause after the last answer, at most `times`. */
function useRepeat(isOn: boolean, pauseMs: number, times: number, run: () => Promise<unknown>) {
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => {
    if (!isOn) return undefined;
    let timer: ReturnType<typeof setTimeout>;
    let left = times;
    const wait = () => {
      if (left-- > 0) timer = setTimeout(() => void latest.current().then(wait), pauseMs);
    };
    wait();
    return () => {
      left = 0;
      clearTimeout(timer);
    };
  }, [isOn, pauseMs, times]);
}

/** The subscription; read more often while a change is on its way. */
export function useSubscription(isWaiting: boolean) {
  const { id } = useUser();
  const account = useAccount();
  const subscription = useResource(
    `subscription:${id}`,
    (signal) => read(api.GET("/billing/subscription", { signal })),
    { everyMs: SETTLED_MS },
  );
  useRepeat(isWaiting, WAITING_MS, Number.POSITIVE_INFINITY, subscription.reload);
  // The plan and its limit stand on every page: they follow through other services.
  const plan = subscription.data?.plan;
  const isSame = account.plan === plan && (account.usage?.plan ?? plan) === plan;
  useRepeat(plan !== undefined && !isSame, WAITING_MS, FOLLOWING_TIMES, async () =>
    account.reload(),
  );
  return subscription;
}

const PATIENCE_MS = 60_000;

export type Expectation = (subscription: Subscription) => boolean;

/** A change that was accepted and does not show yet; `isLate` after a minute. */
export function useExpectation(initial: Expectation | null) {
  const [expected, setExpected] = useState<Expectation | null>(() => initial);
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (!expected) return undefined;
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [expected]);
  return {
    expected,
    isLate,
    expect: (next: Expectation | null) => setExpected(() => next),
  };
}

/** One key for one intention: trying again after a lost answer makes no second change. */
export function useIntention() {
  const last = useRef({ content: "", key: "" });
  return {
    keyOf(content: string): string {
      if (last.current.content !== content) last.current = { content, key: crypto.randomUUID() };
      return last.current.key;
    },
    done(): void {
      last.current = { content: "", key: "" };
    },
  };
}

const header = (key: string) => ({ header: { "Idempotency-Key": key } });

function openPage(url: string): void {
  if (!isWebAddress(url)) throw unreachable();
  window.location.assign(url);
}

export async function openCheckout(plan: Plan, key: string): Promise<void> {
  const answer = api.POST("/billing/checkout-session", { body: { plan }, params: header(key) });
  openPage((await read(answer)).url);
}

/** The address of a portal is not stored: each request has a key of its own. */
export async function openPortal(): Promise<void> {
  const params = header(crypto.randomUUID());
  openPage((await read(api.POST("/billing/portal-session", { params }))).url);
}

export function changePlan(plan: Plan, key: string) {
  return read(api.POST("/billing/subscription/change", { body: { plan }, params: header(key) }));
}

export function setSpendLimit(amount: number | null, key: string) {
  return read(api.PUT("/billing/spend-limit", { body: { amount }, params: header(key) }));
}
