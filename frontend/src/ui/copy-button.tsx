"use client";

import { Check, Copy } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { Button } from "./button";

/** Copies `text`, and says so for two seconds. With `label` it shows words beside the icon. */
export function CopyButton({
  text,
  label,
  hint,
  className,
}: {
  text: string;
  label?: string;
  /** The accessible name when the button shows an icon only. */
  hint?: string;
  className?: string;
}) {
  const t = useStrings(commonStrings);
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  async function copy() {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(false), 2000);
  }

  return (
    <Button
      look="ghost"
      size="small"
      square={!label}
      aria-label={label ? undefined : copied ? t("copied") : (hint ?? t("copy"))}
      title={label ? undefined : (hint ?? t("copy"))}
      className={className}
      onClick={copy}
    >
      {copied ? <Check aria-hidden /> : <Copy aria-hidden />}
      {label ? (copied ? t("copied") : label) : null}
      <span role="status" className="sr-only">
        {copied ? t("copied") : ""}
      </span>
    </Button>
  );
}
