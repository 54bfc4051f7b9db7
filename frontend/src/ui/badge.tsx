import clsx from "clsx";
import type { ReactNode } from "react";

export type Tone = "neutral" | "ok" | "run" | "bad" | "need" | "accent";

const TONES: Record<Tone, string> = {
  neutral: "border-line-strong text-fg-2",
  ok: "border-ok-line bg-ok-tint text-ok",
  run: "border-run-line bg-run-tint text-run",
  bad: "border-bad-line bg-bad-tint text-bad",
  need: "border-need-line bg-need-tint text-need",
  accent: "border-accent-line bg-accent-tint text-accent",
};

/** A short word about a thing: a plan, a scope, a flag. Jobs have their StatusBadge. */
export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={clsx(
        "inline-flex items-center gap-1 whitespace-nowrap rounded-sm border px-[5px] font-medium text-xs tracking-[0.01em]",
        TONES[tone],
      )}
    >
      {children}
    </span>
  );
}
