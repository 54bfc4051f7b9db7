"use client";

import { Play } from "lucide-react";
import { useRouter } from "next/navigation";
import { type FormEvent, useMemo, useRef, useState } from "react";
import { api, read } from "@/lib/api/client";
import { useStrings } from "@/lib/i18n/provider";
import { Button } from "@/ui/button";
import { ErrorState } from "@/ui/error-state";
import { Field, TextArea } from "@/ui/field";
import type { JobRequest } from "../actions";
import { BatchError, JOBS_PER_REQUEST, parseBatch } from "../batch";
import type { TaskType } from "../catalogue";
import { formStrings } from "../form-strings";
import { FormCost } from "./form-cost";

interface Refusal {
  readonly at: number;
  readonly reason: string;
}

interface Outcome {
  readonly done: number;
  readonly refusals: readonly Refusal[];
}

/** Many jobs from pasted text. Each is accepted or refused by itself. */
export function BatchForm({ type, onSent }: { type: TaskType; onSent: () => void }) {
  const t = useStrings(formStrings);
  const router = useRouter();
  const [text, setText] = useState("");
  const [isTried, setTried] = useState(false);
  const { send, outcome, error, isSending } = useBatch();
  const { jobs, problem } = useMemo(() => tryParse(text, type.task_type), [text, type]);
  const message = problem && t(`batch_${problem.code}`, { line: problem.line });
  const isShown = isTried || (text !== "" && problem?.code !== "empty");

  async function submit(event: FormEvent) {
    event.preventDefault();
    setTried(true);
    if (problem) return;
    const sent = await send(jobs);
    if (sent?.refusals.length !== 0) return;
    onSent();
    router.push("/jobs");
  }
  return (
    <form onSubmit={(event) => void submit(event)} className="grid gap-4">
      <Field
        label={t("batchLabel")}
        hint={jobs.length > 0 ? t("batchFound", { count: jobs.length }) : t("batchHint")}
        {...(message && isShown && { error: message })}
      >
        {(ids) => (
          <TextArea
            {...ids}
            rows={14}
            spellCheck={false}
            placeholder={'[{"url": "https://example.com"}]'}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
      {error ? <ErrorState error={error} /> : null}
      {outcome ? (
        <div role="status" className="grid gap-1 text-sm">
          <p className="font-medium">
            {t("accepted", { done: outcome.done, failed: outcome.refusals.length })}
          </p>
          <ul className="text-bad">
            {outcome.refusals.slice(0, 10).map(({ at, reason }) => (
              <li key={at}>{t("refusedAt", { at, reason })}</li>
            ))}
          </ul>
        </div>
      ) : null}
      <footer className="flex flex-wrap items-center gap-3">
        <FormCost type={type} count={Math.max(1, jobs.length)} />
        <Button type="submit" look="primary" size="large" className="ml-auto" busy={isSending}>
          <Play aria-hidden /> {t("submitMany", { count: jobs.length })}
        </Button>
      </footer>
    </form>
  );
}

function tryParse(text: string, taskType: string) {
  try {
    return { jobs: parseBatch(text, taskType), problem: undefined };
  } catch (error) {
    if (error instanceof BatchError) return { jobs: [], problem: error };
    throw error;
  }
}

/** Requests of a hundred. The same text keeps its keys: sending it again repeats no job. */
function useBatch() {
  const [outcome, setOutcome] = useState<Outcome>();
  const [error, setError] = useState<unknown>();
  const [isSending, setSending] = useState(false);
  const last = useRef({ text: "", key: "" });
  async function send(jobs: readonly JobRequest[]): Promise<Outcome | undefined> {
    const text = JSON.stringify(jobs);
    if (last.current.text !== text) last.current = { text, key: crypto.randomUUID() };
    setSending(true);
    setError(undefined);
    const refusals: Refusal[] = [];
    try {
      for (let start = 0; start < jobs.length; start += JOBS_PER_REQUEST) {
        const part = jobs.slice(start, start + JOBS_PER_REQUEST);
        const header = { "Idempotency-Key": `${last.current.key}-${start}` };
        const { items } = await read(
          api.POST("/jobs/batch", { params: { header }, body: { jobs: part } }),
        );
        items.forEach(({ problem }, index) => {
          if (problem) refusals.push({ at: start + index + 1, reason: problem.detail });
        });
      }
      const sent = { done: jobs.length - refusals.length, refusals };
      setOutcome(sent);
      return sent;
    } catch (caught) {
      setError(caught);
      return undefined;
    } finally {
      setSending(false);
    }
  }
  return { send, outcome, error, isSending };
}
