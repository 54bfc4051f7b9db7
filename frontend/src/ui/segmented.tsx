"use client";

/** Chooses one of a few ways to see the same thing. */
export function Segmented<Value extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: Value;
  options: readonly { value: Value; label: string }[];
  onChange: (value: Value) => void;
}) {
  return (
    <fieldset
      aria-label={label}
      className="inline-flex w-fit gap-0.5 justify-self-end rounded-md border border-line bg-sunken p-0.5"
    >
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
          className="inline-flex h-8 items-center gap-1.5 whitespace-nowrap rounded-sm px-2 font-medium text-fg-2 text-sm transition-colors hover:text-fg aria-pressed:bg-float aria-pressed:text-fg aria-pressed:shadow-1 tablet:h-6"
        >
          {option.label}
        </button>
      ))}
    </fieldset>
  );
}
