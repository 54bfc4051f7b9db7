import type { ReactNode } from "react";

export type Answer = {
  label: string;
  fact: ReactNode;
  reason?: ReactNode;
  /** At most one action. */
  action?: ReactNode;
};

/** The first thing on a page: what is happening, what needs me, what does it cost. */
export function AnswerStrip({ label, answers }: { label: string; answers: readonly Answer[] }) {
  return (
    <section
      aria-label={label}
      className="grid grid-cols-1 rounded-lg border border-line bg-surface tablet:grid-cols-3"
    >
      {answers.map((answer) => (
        <div
          key={answer.label}
          className="relative grid content-start gap-px border-line px-4 py-3 not-first:border-t tablet:not-first:border-t-0 tablet:not-first:border-l"
        >
          <p className="font-medium text-fg-3 text-xs">{answer.label}</p>
          <p className="flex min-w-0 items-center gap-1.5 font-semibold text-lg tabular-nums tracking-[-0.012em]">
            {answer.fact}
          </p>
          {answer.reason ? <p className="text-fg-2 text-sm">{answer.reason}</p> : null}
          {answer.action ? <div className="absolute top-3 right-3">{answer.action}</div> : null}
        </div>
      ))}
    </section>
  );
}
