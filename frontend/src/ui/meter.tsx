import clsx from "clsx";

/** A bar of `used` (and `held`) against a limit. Its name says the figures. */
export function Meter({
  used,
  held = 0,
  limit,
  label,
  className,
}: {
  used: number;
  held?: number;
  limit: number;
  label: string;
  className?: string;
}) {
  const share = limit > 0 ? used / limit : 1;
  const percent = (value: number) => Math.min(100, limit > 0 ? (value / limit) * 100 : 100);
  const colour = share >= 1 ? "fill-bad" : share >= 0.8 ? "fill-need" : "fill-accent-solid";
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox="0 0 100 6"
      preserveAspectRatio="none"
      className={clsx("h-1.5 w-full rounded-full bg-line-strong", className)}
    >
      <rect className={colour} x="0" y="0" height="6" width={percent(used)} />
      <rect
        className="fill-accent-line"
        x={percent(used)}
        y="0"
        height="6"
        width={Math.min(percent(held), 100 - percent(used))}
      />
    </svg>
  );
}
