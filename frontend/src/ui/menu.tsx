"use client";

import clsx from "clsx";
import { Check, Ellipsis } from "lucide-react";
import {
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { createPortal } from "react-dom";
import { Button } from "./button";

export type MenuItem = {
  label: string;
  icon?: ReactNode;
  danger?: boolean;
  /** An item that is on or off; the menu stays open when it changes. */
  checked?: boolean;
  run: () => void;
};

/** What the button that opens the menu has to spread. */
export type MenuTrigger = {
  ref: RefObject<HTMLButtonElement | null>;
  id: string;
  "aria-haspopup": "menu";
  "aria-expanded": boolean;
  onClick: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
};

type MenuProps = {
  trigger: (props: MenuTrigger) => ReactNode;
  items: readonly MenuItem[];
  header?: ReactNode;
  align?: "start" | "end";
  side?: "top" | "bottom";
};

/** A button and its menu, by the pattern of the ARIA Authoring Practices. */
export function Menu({ trigger, items, header, align = "end", side = "bottom" }: MenuProps) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const [opened, setOpened] = useState<"first" | "last">();
  const close = useCallback((returnsFocus: boolean) => {
    setOpened(undefined);
    if (returnsFocus) button.current?.focus();
  }, []);
  return (
    <>
      {trigger({
        ref: button,
        id,
        "aria-haspopup": "menu",
        "aria-expanded": opened !== undefined,
        onClick: () => (opened ? close(true) : setOpened("first")),
        onKeyDown: (event) => {
          if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
          event.preventDefault();
          setOpened(event.key === "ArrowDown" ? "first" : "last");
        },
      })}
      {opened ? (
        <Panel
          button={button}
          labelledBy={id}
          items={items}
          header={header}
          first={opened}
          align={align}
          side={side}
          onClose={close}
        />
      ) : null}
    </>
  );
}

type PanelProps = {
  button: RefObject<HTMLButtonElement | null>;
  labelledBy: string;
  items: readonly MenuItem[];
  header: ReactNode;
  first: "first" | "last";
  onClose: (returnsFocus: boolean) => void;
} & Place;

function Panel(props: PanelProps) {
  const { button, labelledBy, items, header, first, align, side, onClose } = props;
  const panel = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!panel.current || !button.current) return;
    moveBeside(panel.current, button.current, { align, side });
    listItems(panel.current)
      .at(first === "first" ? 0 : -1)
      ?.focus();
  }, [button, first, align, side]);
  useCloseOutside(panel, button, onClose);

  function onKeyDown(event: KeyboardEvent) {
    if (!panel.current) return;
    event.stopPropagation();
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      onClose(true);
      return;
    }
    const next = findNext(listItems(panel.current), event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
  function run(item: MenuItem) {
    if (item.checked === undefined) onClose(true);
    item.run();
  }
  return createPortal(
    <div
      ref={panel}
      role="menu"
      tabIndex={-1}
      aria-labelledby={labelledBy}
      onKeyDown={onKeyDown}
      className="fixed z-50 min-w-[170px] rounded-lg border border-line-strong bg-float p-1 shadow-2"
    >
      {header ? (
        <p role="presentation" className="truncate px-2 py-1.5 text-fg-3 text-sm">
          {header}
        </p>
      ) : null}
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          {...(item.checked === undefined
            ? { role: "menuitem" }
            : { role: "menuitemcheckbox", "aria-checked": item.checked })}
          tabIndex={-1}
          onClick={() => run(item)}
          onPointerMove={(event) => event.currentTarget.focus()}
          className={clsx(
            "flex h-9 w-full cursor-pointer select-none items-center gap-2 rounded-md px-2 text-left outline-none focus:bg-raised tablet:h-8 [&_svg]:size-4",
            item.danger ? "text-bad" : "[&_svg]:text-fg-2",
          )}
        >
          {item.checked === undefined ? null : (
            <span aria-hidden className="grid size-4 place-items-center">
              {item.checked ? <Check /> : null}
            </span>
          )}
          {item.icon}
          {item.label}
        </button>
      ))}
    </div>,
    document.body,
  );
}

function listItems(panel: HTMLElement): HTMLElement[] {
  return [...panel.querySelectorAll<HTMLElement>("[role^=menuitem]")];
}

/** The item that a key leads to: a neighbour, an end, or the next that begins with the letter. */
function findNext(items: readonly HTMLElement[], key: string): HTMLElement | undefined {
  const at = items.indexOf(document.activeElement as HTMLElement);
  if (key === "ArrowDown") return items[(at + 1) % items.length];
  if (key === "ArrowUp") return items.at(at <= 0 ? -1 : at - 1);
  if (key === "Home") return items[0];
  if (key === "End") return items.at(-1);
  if (key.length !== 1 || key === " ") return undefined;
  const letter = key.toLowerCase();
  const following = [...items.slice(at + 1), ...items.slice(0, at + 1)];
  return following.find((item) => item.textContent?.trim().toLowerCase().startsWith(letter));
}

type Place = { align: "start" | "end"; side: "top" | "bottom" };

const GAP = 6;
const EDGE = 8;

/** Put the panel beside the button, on the other side where it would not fit. */
function moveBeside(panel: HTMLElement, button: HTMLElement, { align, side }: Place): void {
  const from = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const below = from.bottom + GAP;
  const above = from.top - GAP - height;
  const fitsBelow = below + height + EDGE <= window.innerHeight;
  const isBelow = side === "bottom" ? fitsBelow || above < EDGE : above < EDGE;
  const left = align === "start" ? from.left : from.right - width;
  panel.style.top = `${isBelow ? below : above}px`;
  panel.style.left = `${Math.max(EDGE, Math.min(left, window.innerWidth - width - EDGE))}px`;
}

function useCloseOutside(
  panel: RefObject<HTMLElement | null>,
  button: RefObject<HTMLElement | null>,
  onClose: (returnsFocus: boolean) => void,
): void {
  useEffect(() => {
    function onPointerDown({ target }: PointerEvent) {
      const isInside = [panel, button].some(({ current }) => current?.contains(target as Node));
      if (!isInside) onClose(false);
    }
    const onMove = () => onClose(false);
    document.addEventListener("pointerdown", onPointerDown);
    window.addEventListener("resize", onMove);
    window.addEventListener("scroll", onMove);
    return () => {
      document.removeEventListener("pointerdown", onPointerDown);
      window.removeEventListener("resize", onMove);
      window.removeEventListener("scroll", onMove);
    };
  }, [panel, button, onClose]);
}

/** The actions of a row behind three dots. */
export function RowMenu({ label, items }: { label: string; items: readonly MenuItem[] }) {
  return (
    <Menu
      items={items}
      trigger={(props) => (
        <Button look="ghost" size="small" square aria-label={label} {...props}>
          <Ellipsis aria-hidden />
        </Button>
      )}
    />
  );
}
