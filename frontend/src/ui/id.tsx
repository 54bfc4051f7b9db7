"use client";

import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { CopyButton } from "./copy-button";

/** The last 8 characters of an id: ids are ordered by time, so they share their beginning. */
export function ShortId({ id, bare }: { id: string; bare?: boolean }) {
  const t = useStrings(commonStrings);
  const text = (
    <code title={id} className="font-mono text-sm">
      {id.slice(-8)}
    </code>
  );
  if (bare) return text;
  return (
    <span className="inline-flex items-center gap-0.5 text-fg-2">
      {text}
      <CopyButton text={id} hint={t("copyId", { id: id.slice(-8) })} />
    </span>
  );
}
