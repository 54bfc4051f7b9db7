"use client";

import clsx from "clsx";
import { Ellipsis } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { Button } from "./button";

export type MenuItem = {
  label: string;
  icon?: ReactNode;
  danger?: boolean;
  run: () => void;
};

/** The actions of a row behind three dots. */
export function RowMenu({ label, items }: { label: string; items: readonly MenuItem[] }) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>
        <Button look="ghost" size="small" square aria-label={label}>
          <Ellipsis aria-hidden />
        </Button>
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align="end"
          sideOffset={4}
          className="z-50 min-w-[160px] rounded-lg border border-line-strong bg-float p-1 shadow-2"
        >
          {items.map((item) => (
            <Radix.Item
              key={item.label}
              onSelect={item.run}
              className={clsx(
                "flex h-9 cursor-pointer select-none items-center gap-2 rounded-md px-2 outline-none data-[highlighted]:bg-raised tablet:h-8 [&_svg]:size-4",
                item.danger ? "text-bad" : "[&_svg]:text-fg-2",
              )}
            >
              {item.icon}
              {item.label}
            </Radix.Item>
          ))}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
