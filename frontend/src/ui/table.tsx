import clsx from "clsx";
import type { ComponentProps } from "react";

/** The frame scrolls sideways when the columns do not fit; the label names it for the keyboard. */
export function Table({ label, className, ...rest }: ComponentProps<"table"> & { label: string }) {
  return (
    <section
      tabIndex={0}
      aria-label={label}
      className="relative overflow-x-auto rounded-lg border border-line bg-surface"
    >
      <table className={clsx("w-full border-collapse tabular-nums", className)} {...rest} />
    </section>
  );
}

type Cell = { right?: boolean };

export function Th({ right, className, ...rest }: ComponentProps<"th"> & Cell) {
  return (
    <th
      scope="col"
      className={clsx(
        "h-8 whitespace-nowrap border-line border-b px-2 font-medium text-fg-3 text-xs first:pl-4 last:pr-4",
        right ? "text-right" : "text-left",
        className,
      )}
      {...rest}
    />
  );
}

export function Td({ right, className, ...rest }: ComponentProps<"td"> & Cell) {
  return (
    <td
      className={clsx(
        "h-[var(--h-row)] whitespace-nowrap border-line border-b px-2 first:pl-4 last:pr-4 [tr:last-child>&]:border-b-0",
        right && "text-right",
        className,
      )}
      {...rest}
    />
  );
}

export function Tr({ className, ...rest }: ComponentProps<"tr">) {
  return <tr className={clsx("transition-colors hover:bg-raised", className)} {...rest} />;
}
