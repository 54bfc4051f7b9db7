"use client";

import { LogOut, Moon, Sun } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import { useTheme } from "@/app/providers";
import { useUser } from "@/lib/auth/provider";
import { signOut } from "@/lib/auth/sign-out";
import { useStrings } from "@/lib/i18n/provider";
import { shellStrings } from "@/lib/i18n/strings/shell";

const ITEM =
  "flex h-9 cursor-pointer select-none items-center gap-2 rounded-md px-2 outline-none data-[highlighted]:bg-raised tablet:h-8 [&_svg]:size-4 [&_svg]:text-fg-2";

function initials(name: string): string {
  const words = name.split(/[\s._@-]+/).filter(Boolean);
  return words
    .slice(0, 2)
    .map((word) => word[0]?.toUpperCase() ?? "")
    .join("");
}

export function UserMenu() {
  const t = useStrings(shellStrings);
  const { theme, setTheme } = useTheme();
  const user = useUser();
  const name = user.display_name ?? user.email ?? user.id;
  const other = theme === "dark" ? "light" : "dark";
  return (
    <Radix.Root>
      <Radix.Trigger
        aria-label={t("userMenu", { name })}
        className="flex h-9 w-full items-center gap-2 rounded-md px-2 text-left hover:bg-raised max-wide:justify-center max-wide:px-0 tablet:h-8"
      >
        <span
          aria-hidden
          className="grid size-[22px] shrink-0 place-items-center rounded-full border border-line-strong bg-raised font-semibold text-2xs text-fg-2"
        >
          {initials(name)}
        </span>
        <span className="truncate max-wide:hidden">{name}</span>
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align="start"
          side="top"
          sideOffset={6}
          className="z-50 min-w-[210px] rounded-lg border border-line-strong bg-float p-1 shadow-2"
        >
          <Radix.Label className="truncate px-2 py-1.5 text-fg-3 text-sm">
            {user.email ?? name}
          </Radix.Label>
          <Radix.Item className={ITEM} onSelect={() => setTheme(other)}>
            {other === "light" ? <Sun aria-hidden /> : <Moon aria-hidden />}
            {t(other === "light" ? "lightTheme" : "darkTheme")}
          </Radix.Item>
          <Radix.Item className={ITEM} onSelect={() => void signOut()}>
            <LogOut aria-hidden />
            {t("signOut")}
          </Radix.Item>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
