"use client";

import clsx from "clsx";
import { CircleX, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { useAction } from "@/lib/use-action";
import { Button } from "@/ui/button";
import { Card, CardHead } from "@/ui/card";
import type { Citation, Run } from "../model";
import { readPassage } from "../queries";
import { agentStrings } from "../strings";
import { type Verdict, verifyCitation } from "../verify";
import { PassageDialog } from "./passage-dialog";

type Verdicts = Readonly<Record<number, Verdict | "error">>;

/** Where the answer is from; each passage opens in its text and is checked in this browser. */
export function SourcesCard({ run }: { run: Run }) {
  const t = useStrings(agentStrings);
  const { citations } = run;
  const [verdicts, setVerdicts] = useState<Verdicts>({});
  const [opened, setOpened] = useState<number>();
  const { act, busy } = useAction(async (...which: number[]) => {
    for (const at of which) {
      const citation = citations[at];
      if (!citation) continue;
      const verdict = await check(run.id, citation);
      setVerdicts((before) => ({ ...before, [at]: verdict }));
    }
  });
  const checked = Object.values(verdicts);
  const found = checked.filter((verdict) => verdict === "literal").length;
  const shown = opened === undefined ? undefined : citations[opened];
  return (
    <Card>
      <CardHead title={t("sources")}>
        {checked.length > 0 ? (
          <span
            role="status"
            className={clsx("text-sm", found === checked.length ? "text-ok" : "text-bad")}
          >
            {t("found", { found, count: checked.length })}
          </span>
        ) : null}
        {citations.length > 0 ? (
          <Button
            size="small"
            busy={busy}
            onClick={() => void act(...citations.map((_, at) => at))}
          >
            <ShieldCheck aria-hidden /> {t("verifyAll")}
          </Button>
        ) : null}
      </CardHead>
      {citations.length === 0 ? <p className="p-4 text-fg-2">{t("noSources")}</p> : null}
      <ol className="grid">
        {citations.map((citation, at) => (
          <li
            // biome-ignore lint/suspicious/noArrayIndexKey: the sources of an answer never move
            key={at}
            id={`source-${at + 1}`}
            className="grid scroll-mt-20 gap-1 border-line border-b px-4 py-2 last:border-b-0 target:bg-accent-tint"
          >
            <span className="flex min-w-0 items-center gap-2">
              <span className="grid h-4 min-w-4 shrink-0 place-items-center rounded-sm bg-accent-tint px-1 text-accent text-xs">
                {at + 1}
              </span>
              <Address url={citation.url} />
              <Button
                look="ghost"
                size="small"
                className="ml-auto"
                aria-label={t("openSource", { at: at + 1 })}
                onClick={() => setOpened(at)}
              >
                {t("goToIt")}
              </Button>
            </span>
            <q className="line-clamp-3 break-words text-fg-2">{citation.quote}</q>
            {verdicts[at] ? <VerdictLine verdict={verdicts[at]} /> : null}
          </li>
        ))}
      </ol>
      {shown && opened !== undefined ? (
        <PassageDialog
          runId={run.id}
          citation={shown}
          verdict={verdicts[opened]}
          isChecking={busy}
          onCheck={() => void act(opened)}
          onClose={() => setOpened(undefined)}
        />
      ) : null}
    </Card>
  );
}

async function check(runId: string, citation: Citation): Promise<Verdict | "error"> {
  try {
    return await verifyCitation(citation, await readPassage(runId, citation, true));
  } catch {
    return "error";
  }
}

function Address({ url }: { url: string }) {
  if (!URL.canParse(url)) return <span className="truncate">{url}</span>;
  const { host, pathname } = new URL(url);
  return (
    <span className="min-w-0 truncate" title={url}>
      {host}
      <span className="text-fg-3">{pathname}</span>
    </span>
  );
}

export function VerdictLine({ verdict }: { verdict: Verdict | "error" }) {
  const t = useStrings(agentStrings);
  const isGood = verdict === "literal";
  const Icon = isGood ? ShieldCheck : CircleX;
  return (
    <span className={clsx("flex items-center gap-1.5 text-sm", isGood ? "text-ok" : "text-bad")}>
      <Icon aria-hidden className="size-3.5 shrink-0" /> {t(`verdict_${verdict}`)}
    </span>
  );
}
