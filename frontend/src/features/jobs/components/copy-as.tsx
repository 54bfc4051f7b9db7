"use client";

import { SquareTerminal } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useConfig } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { Button } from "@/ui/button";
import { detailStrings } from "../detail-strings";
import { type SnippetRequest, toCurl, toPython } from "../snippets";

const ITEM =
  "flex h-9 cursor-pointer items-center rounded-md px-3 outline-none data-[highlighted]:bg-raised tablet:h-8";

/** The same request for a program. */
export function CopyAs({ request }: { request: SnippetRequest }) {
  const t = useStrings(detailStrings);
  const { apiUrl } = useConfig();
  const copy = (build: typeof toCurl) => {
    void navigator.clipboard.writeText(build(request, crypto.randomUUID(), apiUrl));
  };
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>
        <Button aria-label={t("copyAs")}>
          <SquareTerminal aria-hidden /> <span className="hidden tablet:inline">{t("copyAs")}</span>
        </Button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align="end"
          sideOffset={4}
          className="z-30 min-w-36 rounded-lg border border-line-strong bg-float p-1 shadow-2"
        >
          <DropdownMenu.Item className={ITEM} onSelect={() => copy(toCurl)}>
            {t("asCurl")}
          </DropdownMenu.Item>
          <DropdownMenu.Item className={ITEM} onSelect={() => copy(toPython)}>
            {t("asPython")}
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
