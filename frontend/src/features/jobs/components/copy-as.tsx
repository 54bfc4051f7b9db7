"use client";

import { SquareTerminal } from "lucide-react";
import { useConfig } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { defineStrings } from "@/lib/i18n/strings";
import { Button } from "@/ui/button";
import { Menu } from "@/ui/menu";
import { type SnippetRequest, toCurl, toPython } from "../snippets";

const copyStrings = defineStrings({
  asCurl: { en: "As curl", de: "Als curl" },
  asPython: { en: "As Python", de: "Als Python" },
  copyAs: { en: "Copy as", de: "Kopieren als" },
});

/** The same request for a program. */
export function CopyAs({ request }: { request: SnippetRequest }) {
  const t = useStrings(copyStrings);
  const { apiUrl } = useConfig();
  const copy = (build: typeof toCurl) => {
    void navigator.clipboard.writeText(build(request, crypto.randomUUID(), apiUrl));
  };
  const items = [
    { label: t("asCurl"), run: () => copy(toCurl) },
    { label: t("asPython"), run: () => copy(toPython) },
  ];
  return (
    <Menu
      items={items}
      trigger={(props) => (
        <Button aria-label={t("copyAs")} {...props}>
          <SquareTerminal aria-hidden /> <span className="hidden tablet:inline">{t("copyAs")}</span>
        </Button>
      )}
    />
  );
}
