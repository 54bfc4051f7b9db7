import clsx from "clsx";
import { type ComponentProps, cloneElement, isValidElement } from "react";

export type ButtonLook = "primary" | "plain" | "ghost" | "danger";

const LOOKS: Record<ButtonLook, string> = {
  primary:
    "border-transparent bg-accent-solid text-on-accent hover:bg-accent-solid-hover [&_svg]:text-current",
  plain: "border-line-strong bg-surface text-fg hover:bg-raised [&_svg]:text-fg-2",
  ghost: "border-transparent bg-transparent text-fg-2 hover:bg-raised hover:text-fg",
  danger: "border-bad-line bg-surface text-bad hover:bg-bad-tint",
};

const SIZES = {
  small: "h-8 tablet:h-[26px] px-2 text-sm gap-1",
  normal: "h-9 tablet:h-[30px] px-3 gap-1.5",
  large: "h-10 tablet:h-9 px-4 gap-2",
};

export type ButtonProps = ComponentProps<"button"> & {
  look?: ButtonLook;
  size?: keyof typeof SIZES;
  /** A square button with an icon only: needs an aria-label. */
  square?: boolean;
  /** The child (a link) takes the looks of the button. */
  asChild?: boolean;
  /** Says that an action runs; the button cannot be pressed meanwhile. */
  busy?: boolean;
};

export function Button({
  look = "plain",
  size = "normal",
  square,
  asChild,
  busy,
  className,
  disabled,
  type,
  children,
  ...rest
}: ButtonProps) {
  const classes = clsx(
    "inline-flex shrink-0 items-center justify-center whitespace-nowrap rounded-md border font-medium transition-colors",
    "[&_svg]:size-4 [&_svg]:shrink-0",
    "disabled:cursor-not-allowed disabled:border-dashed disabled:border-line-strong disabled:bg-surface disabled:text-fg-3",
    SIZES[size],
    LOOKS[look],
    square && "aspect-square !px-0",
    className,
  );
  if (asChild && isValidElement<{ className?: string }>(children)) {
    return cloneElement(children, {
      ...rest,
      className: clsx(classes, children.props.className),
    });
  }
  return (
    <button
      type={type ?? "button"}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={classes}
      {...rest}
    >
      {children}
    </button>
  );
}
