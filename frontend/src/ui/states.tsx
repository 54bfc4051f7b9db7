import clsx from "clsx";
import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

type StateProps = {
  icon: LucideIcon;
  tone?: "neutral" | "bad" | "need" | "accent";
  title: string;
  children?: ReactNode;
  /** Buttons: the one next step first. */
  actions?: ReactNode;
  /** What stands beside the words, such as a request to copy. */
  aside?: ReactNode;
  role?: "alert" | "status";
};

const TONES = {
  neutral: "bg-raised text-fg-2",
  bad: "bg-bad-tint text-bad",
  need: "bg-need-tint text-need",
  accent: "bg-accent-tint text-accent",
};

/** Stands where the data would be: empty, no match, an error, a limit. */
export function StatePanel({
  icon: Icon,
  tone = "neutral",
  title,
  children,
  actions,
  aside,
  role,
}: StateProps) {
  return (
    <section
      role={role}
      className={clsx(
        "grid grid-cols-[minmax(0,1fr)] items-center gap-8 rounded-lg border border-line bg-surface p-5 tablet:p-8",
        aside ? "wide:grid-cols-[minmax(0,1fr)_minmax(0,1.3fr)]" : null,
      )}
    >
      <div className="flex max-w-[60ch] flex-col items-start gap-2">
        <span className={clsx("mb-1 grid size-8 place-items-center rounded-md", TONES[tone])}>
          <Icon aria-hidden className="size-4" />
        </span>
        <h2 className="text-md">{title}</h2>
        <div className="space-y-2 text-fg-2">{children}</div>
        {actions ? <div className="mt-2 flex flex-wrap gap-2">{actions}</div> : null}
      </div>
      {aside ? <div className="min-w-0">{aside}</div> : null}
    </section>
  );
}
