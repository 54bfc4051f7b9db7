import { expect, it } from "vitest";
import { hasArrived, isWebAddress, planAfter, type Subscription, stepTo } from "./model";

const PRO: Subscription = {
  plan: "PRO",
  status: "active",
  period_start: "2026-01-10T09:30:00Z",
  period_end: "2026-02-10T09:30:00Z",
  next_plan: null,
  trial_end: null,
  cancel_at_period_end: false,
  past_due_since: null,
  is_disputed: false,
  spend_limit: null,
};
const FREE: Subscription = { ...PRO, plan: "FREE", status: "none", period_end: null };

it("leads from the free plan to the checkout", () => {
  expect(stepTo("FREE", FREE)).toBe("present");
  expect(stepTo("PRO", FREE)).toBe("checkout");
  expect(stepTo("ENTERPRISE", { ...FREE, status: "canceled" })).toBe("checkout");
});

it("changes a running subscription up at once, down and to nothing later", () => {
  expect(stepTo("ENTERPRISE", PRO)).toBe("upgrade");
  expect(stepTo("FREE", PRO)).toBe("cancel");
  expect(stepTo("PRO", { ...PRO, plan: "ENTERPRISE" })).toBe("downgrade");
});

it("takes back what was scheduled by keeping the present plan", () => {
  const ending = { ...PRO, cancel_at_period_end: true };
  expect(planAfter(ending)).toBe("FREE");
  expect(stepTo("PRO", ending)).toBe("keep");
  expect(stepTo("FREE", ending)).toBe("scheduled");
  const lower = { ...PRO, plan: "ENTERPRISE", next_plan: "PRO" } as const;
  expect(stepTo("PRO", lower)).toBe("scheduled");
  expect(stepTo("ENTERPRISE", lower)).toBe("keep");
  expect(stepTo("FREE", lower)).toBe("cancel");
});

it("knows when a change shows", () => {
  expect(hasArrived("cancel", "FREE", PRO)).toBe(false);
  expect(hasArrived("cancel", "FREE", { ...PRO, cancel_at_period_end: true })).toBe(true);
  expect(hasArrived("keep", "PRO", { ...PRO, cancel_at_period_end: true })).toBe(false);
  expect(hasArrived("keep", "PRO", PRO)).toBe(true);
  expect(hasArrived("upgrade", "ENTERPRISE", PRO)).toBe(false);
  expect(hasArrived("downgrade", "PRO", { ...PRO, plan: "ENTERPRISE", next_plan: "PRO" })).toBe(
    true,
  );
});

it("opens no other scheme than the web's", () => {
  expect(isWebAddress("https://checkout.stripe.com/c/pay/cs_1")).toBe(true);
  expect(isWebAddress("javascript:alert(1)")).toBe(false);
  expect(isWebAddress("/billing")).toBe(false);
});
