import clsx from "clsx";

/** The product's sign. */
export function Mark({ className }: { className?: string }) {
  return (
    <span
      aria-hidden
      className={clsx(
        "grid size-5 shrink-0 place-items-center rounded-[5px] bg-accent-solid",
        className,
      )}
    >
      <svg
        viewBox="0 0 24 24"
        className="size-3/5 fill-none stroke-on-accent"
        strokeWidth="2.6"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
      >
        <path d="M5 17V8l7 6 7-6v9" />
      </svg>
    </span>
  );
}
