import clsx from "clsx";
import { CircleAlert, Info, type LucideIcon, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";

type BannerTone = "plain" | "need" | "bad";

const LOOKS: Record<BannerTone, [string, string, LucideIcon]> = {
  plain: ["border-line-strong bg-surface", "text-fg-2", Info],
  need: ["border-need-line bg-need-tint", "text-need", TriangleAlert],
  bad: ["border-bad-line bg-bad-tint", "text-bad", CircleAlert],
};

/** One line above a page: a limit, a pause, a lost connection. */
export function Banner({
  tone = "plain",
  icon,
  title,
  children,
  action,
}: {
  tone?: BannerTone;
  icon?: LucideIcon;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  const [look, colour, fallback] = LOOKS[tone];
  const Icon = icon ?? fallback;
  return (
    <div
      role={tone === "bad" ? "alert" : "status"}
      className={clsx("flex flex-wrap items-center gap-3 rounded-lg border py-2.5 pr-3 pl-4", look)}
    >
      <Icon aria-hidden className={clsx("size-4 shrink-0", colour)} />
      <p className="min-w-0 flex-1 basis-3/5 text-fg-2">
        <strong className="font-semibold text-fg">{title}</strong> {children}
      </p>
      {action}
    </div>
  );
}
