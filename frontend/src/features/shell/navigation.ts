import {
  ChartColumn,
  CreditCard,
  Gauge,
  KeyRound,
  List,
  type LucideIcon,
  SlidersHorizontal,
  Sparkles,
} from "lucide-react";
import type { shellStrings } from "@/lib/i18n/strings/shell";
import type { BindingId } from "@/lib/keyboard/bindings";

type Label = keyof typeof shellStrings;

export type Destination = {
  href: string;
  label: Label;
  icon: LucideIcon;
  group: "main" | "account" | "operation";
  binding?: BindingId;
  /** Only listed where this flag is on. */
  flag?: string;
};

export const AGENTS_FLAG = "FF_AGENTS_ENABLED";

/** Every page of the navigation; what does not exist yet is not listed. */
const DESTINATIONS: readonly Destination[] = [
  { href: "/jobs", label: "jobs", icon: List, group: "main", binding: "goJobs" },
  {
    href: "/agents",
    label: "agents",
    icon: Sparkles,
    group: "main",
    binding: "goAgents",
    flag: AGENTS_FLAG,
  },
  { href: "/usage", label: "usage", icon: ChartColumn, group: "account", binding: "goUsage" },
  { href: "/billing", label: "billing", icon: CreditCard, group: "account", binding: "goBilling" },
  { href: "/keys", label: "apiKeys", icon: KeyRound, group: "account", binding: "goKeys" },
  {
    href: "/settings",
    label: "settings",
    icon: SlidersHorizontal,
    group: "account",
    binding: "goSettings",
  },
  { href: "/operator", label: "operator", icon: Gauge, group: "operation" },
];

export function destinations({
  operator,
  agents,
}: {
  operator: boolean;
  agents: boolean;
}): readonly Destination[] {
  return DESTINATIONS.filter(
    ({ group, flag }) => (operator || group !== "operation") && (agents || flag !== AGENTS_FLAG),
  );
}

export function isCurrent(pathname: string, href: string): boolean {
  return pathname === href || pathname.startsWith(`${href}/`);
}
