import clsx from "clsx";
import { type ComponentProps, type ReactNode, useId } from "react";

const BOX =
  "w-full rounded-md border border-line-control bg-surface px-2.5 text-fg placeholder:text-fg-3 " +
  "focus-visible:border-accent aria-invalid:border-bad";

/** A label, its control, a hint and an error, joined for screen readers. */
export function Field({
  label,
  hint,
  error,
  children,
}: {
  label: string;
  hint?: ReactNode;
  error?: string;
  children: (ids: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ReactNode;
}) {
  const id = useId();
  const about = hint || error ? `${id}-about` : undefined;
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="font-medium text-sm">
        {label}
      </label>
      {children({ id, "aria-describedby": about, "aria-invalid": error ? true : undefined })}
      {about ? (
        <p id={about} className={clsx("text-sm", error ? "text-bad" : "text-fg-3")}>
          {error ?? hint}
        </p>
      ) : null}
    </div>
  );
}

export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input className={clsx(BOX, "h-10 tablet:h-9", className)} {...rest} />;
}

export function TextArea({ className, ...rest }: ComponentProps<"textarea">) {
  return <textarea className={clsx(BOX, "min-h-24 py-2 font-mono text-sm", className)} {...rest} />;
}

export function Select({ className, ...rest }: ComponentProps<"select">) {
  return <select className={clsx(BOX, "h-10 tablet:h-9", className)} {...rest} />;
}

export function Checkbox({ className, ...rest }: Omit<ComponentProps<"input">, "type">) {
  return (
    <input
      type="checkbox"
      className={clsx("size-4 shrink-0 accent-(--accent-solid)", className)}
      {...rest}
    />
  );
}
