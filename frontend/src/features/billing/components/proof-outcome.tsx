"use client";

import { CircleAlert, ShieldCheck, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { useStrings } from "@/lib/i18n/provider";
import type { Outcome } from "../verify";
import { verifyStrings } from "../verify-strings";

const SHOWN = 20;
const LOOKS = {
  ok: { icon: ShieldCheck, frame: "border-ok-line bg-ok-tint", tone: "text-ok" },
  wrong: { icon: CircleAlert, frame: "border-bad-line bg-bad-tint", tone: "text-bad" },
  unreadable: { icon: CircleAlert, frame: "border-bad-line bg-bad-tint", tone: "text-bad" },
  unsupported: { icon: TriangleAlert, frame: "border-need-line bg-need-tint", tone: "text-need" },
} as const;
const TITLES = {
  ok: "okTitle",
  wrong: "wrongTitle",
  unreadable: "unreadable",
  unsupported: "unsupported",
} as const;

/** What the browser found in a proof: that it is right, or what does not agree. */
export function ProofOutcome({ outcome }: { outcome: Outcome }) {
  const t = useStrings(verifyStrings);
  const { icon: Icon, frame, tone } = LOOKS[outcome.state];
  return (
    <div role="status" className={`flex gap-2 whitespace-normal rounded-md border p-3 ${frame}`}>
      <Icon aria-hidden className={`mt-0.5 size-4 shrink-0 ${tone}`} />
      <div className="grid min-w-0 gap-1">
        <p className="font-medium">{t(TITLES[outcome.state])}</p>
        <Findings outcome={outcome} />
        <p className="text-fg-2 text-sm">{t("byYourself")}</p>
      </div>
    </div>
  );
}

function Findings({ outcome }: { outcome: Outcome }): ReactNode {
  const t = useStrings(verifyStrings);
  if (outcome.state === "ok") {
    return outcome.parts.map((part) => (
      <div key={part.head} className="grid gap-1 text-sm">
        <p>{t("okPart", part)}</p>
        <p className="break-all font-mono text-fg-2 text-xs">{t("okHead", part)}</p>
      </div>
    ));
  }
  if (outcome.state !== "wrong") return null;
  const texts = outcome.problems.map(({ key, values }) => t(key, values));
  const rest = texts.length - SHOWN;
  return (
    <ul className="list-inside list-disc break-words text-sm">
      {texts.slice(0, SHOWN).map((text) => (
        <li key={text}>{text}</li>
      ))}
      {rest > 0 ? <li>{t("more", { count: rest })}</li> : null}
    </ul>
  );
}
