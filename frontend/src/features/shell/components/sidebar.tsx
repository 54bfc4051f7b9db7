"use client";

import Link from "next/link";
import { usePathname } from "next/navigation";
import { useAccount, useFlag, useIsOperator } from "@/lib/auth/provider";
import { formatDay } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { shellStrings } from "@/lib/i18n/strings/shell";
import { PLAN_NAMES } from "@/lib/plans";
import { Badge } from "@/ui/badge";
import { Mark } from "@/ui/mark";
import { Meter } from "@/ui/meter";
import { AGENTS_FLAG, type Destination, destinations, isCurrent } from "../navigation";
import { UserMenu } from "./user-menu";

function NavLink({ to }: { to: Destination }) {
  const t = useStrings(shellStrings);
  const current = isCurrent(usePathname(), to.href);
  const Icon = to.icon;
  return (
    <Link
      href={to.href}
      aria-current={current ? "page" : undefined}
      title={t(to.label)}
      className="group flex h-7 items-center gap-2 whitespace-nowrap rounded-md px-2 text-fg-2 transition-colors hover:bg-raised hover:text-fg aria-[current]:bg-raised aria-[current]:text-fg max-wide:justify-center"
    >
      <Icon aria-hidden className="size-4 shrink-0 group-aria-[current]:text-accent" />
      <span className="max-wide:sr-only">{t(to.label)}</span>
    </Link>
  );
}

function UsageFoot() {
  const t = useStrings(shellStrings);
  const locale = useLocale();
  const { usage } = useAccount();
  if (!usage) return null;
  const { jobs_used: used, jobs_reserved: held, jobs_limit: limit } = usage;
  return (
    <Link href="/usage" className="grid gap-1.5 rounded-md px-2 py-2 hover:bg-raised">
      <span className="flex justify-between gap-2 whitespace-nowrap text-fg-2 text-xs tabular-nums max-wide:sr-only">
        <span>{limit === null ? t("usedOpen", { used }) : t("used", { used, limit })}</span>
        <span className="text-fg-3">
          {t("resets", { date: formatDay(locale, usage.period_end) })}
        </span>
      </span>
      {limit === null ? null : (
        <Meter used={used} held={held} limit={limit} label={t("usedLabel", { used, limit })} />
      )}
    </Link>
  );
}

/** 228 px wide, a rail of 56 px on a medium screen, and not there on a phone. */
export function Sidebar() {
  const t = useStrings(shellStrings);
  const { plan } = useAccount();
  const pages = destinations({ operator: useIsOperator(), agents: useFlag(AGENTS_FLAG) });
  const group = (name: Destination["group"]) => pages.filter((each) => each.group === name);
  const headed = [
    { name: t("account"), pages: group("account") },
    { name: t("operation"), pages: group("operation") },
  ];
  return (
    <aside className="sticky top-0 flex h-dvh flex-col gap-4 border-line border-r bg-sunken px-2 py-3 max-tablet:hidden">
      <Link
        href="/jobs"
        className="flex h-8 items-center gap-2 rounded-md px-2 font-semibold tracking-[-0.01em] max-wide:justify-center max-wide:px-0"
      >
        <Mark />
        <span className="max-wide:sr-only">micro-saas</span>
        <span className="max-wide:hidden">
          <Badge>{PLAN_NAMES[plan]}</Badge>
        </span>
      </Link>
      <nav aria-label={t("main")} className="grid gap-px">
        {group("main").map((each) => (
          <NavLink key={each.href} to={each} />
        ))}
      </nav>
      {headed
        .filter((each) => each.pages.length > 0)
        .map((each) => (
          <nav key={each.name} aria-label={each.name} className="grid gap-px">
            <p className="mb-1 px-2 font-medium text-fg-3 text-xs max-wide:hidden">{each.name}</p>
            {each.pages.map((page) => (
              <NavLink key={page.href} to={page} />
            ))}
          </nav>
        ))}
      <div className="mt-auto grid grid-cols-[minmax(0,1fr)] gap-2">
        <UsageFoot />
        <div className="border-line border-t pt-2">
          <UserMenu />
        </div>
      </div>
    </aside>
  );
}
