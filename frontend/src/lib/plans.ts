import type { components } from "./api/schema";

/** Names of products are the same in every language. */
export const PLAN_NAMES: Readonly<Record<components["schemas"]["Plan"], string>> = {
  FREE: "Free",
  PRO: "Pro",
  ENTERPRISE: "Enterprise",
};
