"use client";

import { LogOut, Moon, Sun } from "lucide-react";
import { useTheme } from "@/app/providers";
import { useUser } from "@/lib/auth/provider";
import { signOut } from "@/lib/auth/sign-out";
import { useStrings } from "@/lib/i18n/provider";
import { shellStrings } from "@/lib/i18n/strings/shell";
import { Menu } from "@/ui/menu";

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
  const items = [
    {
      label: t(other === "light" ? "lightTheme" : "darkTheme"),
      icon: other === "light" ? <Sun aria-hidden /> : <Moon aria-hidden />,
      run: () => setTheme(other),
    },
    { label: t("signOut"), icon: <LogOut aria-hidden />, run: () => void signOut() },
  ];
  return (
    <Menu
      align="start"
      side="top"
      header={user.email ?? name}
      items={items}
      trigger={(props) => (
        <button
          type="button"
          aria-label={t("userMenu", { name })}
          className="flex h-9 w-full items-center gap-2 rounded-md px-2 text-left hover:bg-raised max-wide:justify-center max-wide:px-0 tablet:h-8"
          {...props}
        >
          <span
            aria-hidden
            className="grid size-[22px] shrink-0 place-items-center rounded-full border border-line-strong bg-raised font-semibold text-2xs text-fg-2"
          >
            {initials(name)}
          </span>
          <span className="truncate max-wide:hidden">{name}</span>
        </button>
      )}
    />
  );
}
