"use client";

import { Check, Hand, Send, X } from "lucide-react";
import { type FormEvent, useMemo, useRef, useState } from "react";
import { ApiError } from "@/lib/api/problems";
import { formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { useKeys } from "@/lib/keyboard/use-keys";
import { buildFields, checkField, cleanParams } from "@/lib/schema-form";
import { useAction } from "@/lib/use-action";
import { useNow } from "@/lib/use-now";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { InlineError } from "@/ui/inline-error";
import { Kbd } from "@/ui/kbd";
import { ParamField, useErrorText } from "@/ui/param-field";
import { type Approval, formatCountdown } from "../model";
import { answer, decide } from "../queries";
import { agentStrings } from "../strings";

type Props = {
  runId: string;
  approval: Approval;
  /** Whether the run has ended: nothing can be decided any more. */
  isOver: boolean;
  onDecided: () => Promise<void>;
};

/** What a run asks of a person: the exact effect, until when, and the decision. */
export function ApprovalCard({ runId, approval, isOver, onDecided }: Props) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const now = useNow(1_000);
  const { expires_at: end, decided_at: decided } = approval;
  const isLate = end !== null && Date.parse(end) <= now;
  const state = approval.state === "open" && (isLate || isOver) ? "expired" : approval.state;
  if (state !== "open") {
    return (
      <div className="flex flex-wrap items-center gap-2 rounded-md border border-line px-3 py-2 text-sm">
        <Badge tone={state === "expired" || state === "denied" ? "neutral" : "ok"}>
          {t(`approval_${state}`)}
        </Badge>
        <span className="min-w-0 break-words text-fg-2">{approval.title}</span>
        {decided ? (
          <span className="ml-auto text-fg-3">{formatMoment(locale, decided)}</span>
        ) : null}
      </div>
    );
  }
  const decision = { runId, approval, onDecided };
  return (
    <section
      id={`approval-${approval.id}`}
      aria-label={approval.title}
      className="scroll-mt-20 rounded-lg border border-need-line"
    >
      <header className="flex flex-wrap items-center gap-2 border-need-line border-b bg-need-tint px-4 py-2">
        <Hand aria-hidden className="size-4 shrink-0 text-need" />
        <h4 className="min-w-0 break-words font-semibold">{approval.title}</h4>
        {end ? (
          <span className="ml-auto text-fg-2 text-sm tabular-nums">
            {t("expiresIn", { time: formatCountdown(Date.parse(end) - now) })}
          </span>
        ) : null}
      </header>
      <div className="grid gap-3 p-4">
        <p className="whitespace-pre-wrap break-words">{approval.text}</p>
        {approval.kind === "answer" ? <Answer {...decision} /> : <Decision {...decision} />}
      </div>
    </section>
  );
}

type DecisionProps = Omit<Props, "isOver">;

/** One key for one decision: trying again after a lost answer decides nothing else. */
function useKeyOf() {
  const keys = useRef(new Map<string, string>());
  return (content: string): string => {
    const key = keys.current.get(content) ?? crypto.randomUUID();
    keys.current.set(content, key);
    return key;
  };
}

function Decision({ runId, approval, onDecided }: DecisionProps) {
  const t = useStrings(agentStrings);
  const keyOf = useKeyOf();
  const { act, busy, error } = useAction(async (approved: boolean) => {
    await decide(runId, approval.id, approved, keyOf(String(approved)));
    await onDecided();
  });
  useKeys({ approve: () => void act(true) });
  return (
    <>
      <InlineError error={error} />
      <footer className="flex flex-wrap items-center gap-2">
        <Button look="primary" busy={busy} onClick={() => void act(true)}>
          <Check aria-hidden /> {t("approve")} <Kbd className="max-tablet:hidden">A</Kbd>
        </Button>
        <Button disabled={busy} onClick={() => void act(false)}>
          <X aria-hidden /> {t("refuse")}
        </Button>
        <span className="ml-auto text-fg-3 text-sm max-tablet:hidden">{t("onlyPeople")}</span>
      </footer>
    </>
  );
}

function Answer({ runId, approval, onDecided }: DecisionProps) {
  const t = useStrings(agentStrings);
  const print = useErrorText();
  const keyOf = useKeyOf();
  const form = useRef<HTMLFormElement>(null);
  const fields = useMemo(() => buildFields(approval.form), [approval.form]);
  const [given, setGiven] = useState<Record<string, unknown>>({});
  const [isTried, setTried] = useState(false);
  const { act, busy, error } = useAction(async () => {
    const sent = cleanParams(given);
    await answer(runId, approval.id, sent, keyOf(JSON.stringify(sent)));
    await onDecided();
  });
  useKeys({ approve: () => form.current?.querySelector<HTMLElement>("input, select")?.focus() });
  const refused = error instanceof ApiError ? error.fieldErrors : undefined;
  function explain(name: string): string | undefined {
    const field = fields.find((each) => each.name === name);
    const own = field && isTried ? checkField(field, given[name]) : undefined;
    return own ? print(own) : refused?.get(`/answer/${name}`);
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    setTried(true);
    if (!fields.some((field) => checkField(field, given[field.name]))) void act();
  }
  return (
    <form ref={form} noValidate onSubmit={submit} className="grid gap-3">
      {fields.map((field) => (
        <ParamField
          key={field.name}
          field={field}
          value={given[field.name]}
          error={explain(field.name)}
          onChange={(value) => setGiven((before) => ({ ...before, [field.name]: value }))}
        />
      ))}
      {refused?.size ? null : <InlineError error={error} />}
      <footer className="flex flex-wrap items-center gap-2">
        <Button type="submit" look="primary" busy={busy}>
          <Send aria-hidden /> {t("send")}
        </Button>
        <span className="ml-auto text-fg-3 text-sm max-tablet:hidden">{t("onlyPeople")}</span>
      </footer>
    </form>
  );
}
