"use client";

import { SlidersHorizontal } from "lucide-react";
import { useStrings } from "@/lib/i18n/provider";
import { Button } from "@/ui/button";
import { Menu } from "@/ui/menu";
import { COLUMNS, FIXED, type useColumns } from "../columns";
import { jobStrings } from "../strings";

export function ColumnMenu({ columns }: { columns: ReturnType<typeof useColumns> }) {
  const t = useStrings(jobStrings);
  const items = COLUMNS.filter((column) => !FIXED.has(column)).map((column) => ({
    label: t(`col_${column}`),
    checked: columns.isShown(column),
    run: () => columns.toggle(column),
  }));
  return (
    <Menu
      items={items}
      trigger={(props) => (
        <Button
          look="ghost"
          size="small"
          square
          aria-label={t("columns")}
          title={t("columns")}
          className="max-tablet:hidden"
          {...props}
        >
          <SlidersHorizontal aria-hidden />
        </Button>
      )}
    />
  );
}
