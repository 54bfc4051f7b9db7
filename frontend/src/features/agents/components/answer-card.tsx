"use client";

import { PenLine } from "lucide-react";
import type { ReactNode } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { CitationMarks, Markdown } from "@/lib/markdown";
import { Badge } from "@/ui/badge";
import { Card, CardHead } from "@/ui/card";
import { CodeWell } from "@/ui/code";
import { CopyButton } from "@/ui/copy-button";
import { getAnswerText, isFinal, type LiveText, type Run } from "../model";
import { agentStrings } from "../strings";

/** The result once it is there; before that, the text as it is written. */
export function AnswerCard({ run, text }: { run: Run; text: LiveText | null }) {
  const t = useStrings(agentStrings);
  if (run.result) return <Result run={run} />;
  if (!text) return null;
  return (
    <Card>
      <CardHead title={t("answer")}>
        <span className="flex items-center gap-1.5 text-fg-3 text-sm">
          <PenLine aria-hidden className="size-3.5" />
          {isFinal(run.state) ? t(run.state) : t("writing")}
        </span>
      </CardHead>
      {/* It is read out once it is finished, and not with every word. */}
      <div className="grid gap-2 p-4" aria-live="off" data-testid="live-text">
        {text.start > 0 ? <p className="text-fg-3 text-sm">{t("beginningMissing")}</p> : null}
        <Markdown text={text.text} />
        <p className="text-fg-3 text-sm">{t("draftNote")}</p>
      </div>
    </Card>
  );
}

function Result({ run }: { run: Run }) {
  const t = useStrings(agentStrings);
  const text = getAnswerText(run);
  const { result } = run;
  const notes = Array.isArray(result?.notes) ? (result.notes as string[]) : [];
  return (
    <Card>
      <CardHead title={t("answer")}>
        {run.partial ? <Badge tone="need">{t("partial")}</Badge> : null}
        {text ? <CopyButton text={text} /> : null}
      </CardHead>
      <div className="grid gap-4 p-4" role="status" data-testid="answer">
        <CitationMarks.Provider value={(at) => <Mark at={at} count={run.citations.length} />}>
          {text ? <Markdown text={text} /> : <Wordless run={run} />}
        </CitationMarks.Provider>
        {run.workflow_type === "extract" ? (
          <CodeWell text={JSON.stringify(result?.values ?? {}, undefined, 2)} label={t("values")} />
        ) : null}
        {run.workflow_type === "monitor" ? <Changes changes={result?.changes} /> : null}
        {notes.length > 0 ? (
          <section>
            <h3 className="text-fg-2 text-sm">{t("notes")}</h3>
            <ul className="list-disc pl-5 text-fg-2 text-sm">
              {notes.map((note) => (
                <li key={note}>{note}</li>
              ))}
            </ul>
          </section>
        ) : null}
      </div>
    </Card>
  );
}

function Wordless({ run }: { run: Run }) {
  const t = useStrings(agentStrings);
  if (run.workflow_type === "research") return <p className="text-fg-2">{t("noAnswer")}</p>;
  if (run.workflow_type !== "monitor") return null;
  return <p className="text-fg-2">{t(run.result?.first_run ? "firstRun" : "unchanged")}</p>;
}

/** `[2]` in an answer leads to the second source; a number without a source stays a number. */
function Mark({ at, count }: { at: number; count: number }): ReactNode {
  const t = useStrings(agentStrings);
  if (at < 1 || at > count) return `[${at}]`;
  return (
    <a
      href={`#source-${at}`}
      aria-label={t("source", { at })}
      className="mx-0.5 inline-grid h-4 min-w-4 place-items-center rounded-sm bg-accent-tint px-1 align-[1px] text-accent text-xs no-underline"
    >
      {at}
    </a>
  );
}

type Change = { kind: "added" | "removed" | "changed"; before?: string; after?: string };

function Changes({ changes }: { changes: unknown }) {
  const t = useStrings(agentStrings);
  if (!Array.isArray(changes) || changes.length === 0) return null;
  return (
    <section className="grid gap-2">
      <h3>{t("changes")}</h3>
      <ul className="grid gap-2">
        {(changes as Change[]).map((change, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the changes of a result never move
          <li key={at} className="grid gap-1 rounded-md border border-line p-3 text-sm">
            <Badge>{t(`change_${change.kind}`)}</Badge>
            {change.before ? <del className="break-words text-fg-3">{change.before}</del> : null}
            {change.after ? <ins className="break-words no-underline">{change.after}</ins> : null}
          </li>
        ))}
      </ul>
    </section>
  );
}
