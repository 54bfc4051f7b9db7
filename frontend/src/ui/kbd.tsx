import clsx from "clsx";

export function Kbd({ children, className }: { children: string; className?: string }) {
  return (
    <kbd
      className={clsx(
        "inline-grid h-[18px] min-w-[18px] place-items-center rounded-sm border border-line-strong bg-surface px-1 font-medium font-sans text-fg-2 text-xs leading-none",
        className,
      )}
    >
      {children}
    </kbd>
  );
}
