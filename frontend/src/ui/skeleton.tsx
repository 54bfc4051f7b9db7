import clsx from "clsx";

/** One bone of a skeleton; it appears after 200 ms so that fast answers do not flicker. */
export function Bone({ className }: { className?: string }) {
  return (
    <span
      aria-hidden
      className={clsx("block h-2.5 animate-breathe rounded-sm bg-line-strong", className)}
    />
  );
}

const WIDTHS = ["w-3/5", "w-2/5", "w-1/2", "w-1/3", "w-2/3"];

/** Rows with the shape of a table; the label is for screen readers. */
export function TableSkeleton({ rows = 8, label }: { rows?: number; label: string }) {
  return (
    <div role="status" aria-label={label} className="rounded-lg border border-line bg-surface">
      {Array.from({ length: rows }, (_, row) => (
        <div
          // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike and never move
          key={row}
          className="flex h-[var(--h-row)] items-center gap-4 border-line border-b px-4 last:border-b-0"
        >
          <Bone className="!size-3 rounded-full" />
          <Bone className="w-16" />
          <span className="flex-1">
            <Bone className={WIDTHS[row % WIDTHS.length]} />
          </span>
          <Bone className="w-8" />
        </div>
      ))}
    </div>
  );
}
