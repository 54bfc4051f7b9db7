"use client";

import { SlidersHorizontal } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useStrings } from "@/lib/i18n/provider";
import { Button } from "@/ui/button";
import { COLUMNS, FIXED, type useColumns } from "../columns";
import { jobStrings } from "../strings";

export function ColumnMenu({ columns }: { columns: ReturnType<typeof useColumns> }) {
  const t = useStrings(jobStrings);
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>
        <Button
          look="ghost"
          size="small"
          square
          aria-label={t("columns")}
          title={t("columns")}
          className="max-tablet:hidden"
        >
          <SlidersHorizontal aria-hidden />
        </Button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align="end"
          sideOffset={4}
          className="z-30 min-w-40 rounded-lg border border-line-strong bg-float p-1 shadow-2"
        >
          {COLUMNS.filter((column) => !FIXED.has(column)).map((column) => (
            <DropdownMenu.CheckboxItem
              key={column}
              checked={columns.isShown(column)}
              onCheckedChange={() => columns.toggle(column)}
              onSelect={(event) => event.preventDefault()}
              className="flex h-8 cursor-pointer items-center gap-2 rounded-md px-2 outline-none data-[highlighted]:bg-raised"
            >
              <span aria-hidden className="grid size-4 place-items-center">
                <DropdownMenu.ItemIndicator>✓</DropdownMenu.ItemIndicator>
              </span>
              {t(`col_${column}`)}
            </DropdownMenu.CheckboxItem>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
