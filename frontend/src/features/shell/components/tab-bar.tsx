"use client";

import { Ellipsis } from "lucide-react";
import Link from "next/link";
import { usePathname } from "next/navigation";
import { useFlag } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { shellStrings } from "@/lib/i18n/strings/shell";
import { AGENTS_FLAG, destinations, isCurrent } from "../navigation";

const TAB =
  "grid place-items-center content-center gap-1 text-fg-3 text-xs leading-none aria-[current]:text-fg [&_svg]:size-5 [&[aria-current]_svg]:text-accent";

/** The navigation of a phone: four pages, and everything else through the commands. */
export function TabBar({ onMore }: { onMore: () => void }) {
  const t = useStrings(shellStrings);
  const pathname = usePathname();
  return (
    <nav
      aria-label={t("main")}
      className="fixed inset-x-0 bottom-0 z-20 grid h-15 grid-cols-5 border-line border-t bg-sunken pb-[env(safe-area-inset-bottom)] tablet:hidden"
    >
      {destinations({ operator: false, agents: useFlag(AGENTS_FLAG) })
        .slice(0, 4)
        .map(({ href, label, icon: Icon }) => (
          <Link
            key={href}
            href={href}
            aria-current={isCurrent(pathname, href) ? "page" : undefined}
            className={TAB}
          >
            <Icon aria-hidden />
            {t(label)}
          </Link>
        ))}
      <button type="button" className={TAB} onClick={onMore}>
        <Ellipsis aria-hidden />
        {t("more")}
      </button>
    </nav>
  );
}
