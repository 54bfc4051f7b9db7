"use client";

import { CircleCheck, CircleDashed, KeyRound, Plus, SearchX, Zap } from "lucide-react";
import Link from "next/link";
import { useMemo } from "react";
import { useConfig } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { compileSearch } from "@/lib/search/evaluate";
import { printSearch, printTerm } from "@/lib/search/print";
import { useOwnData, useOwnDataState } from "@/lib/store/provider";
import { Button } from "@/ui/button";
import { CodeWell } from "@/ui/code";
import { StatePanel } from "@/ui/states";
import { useIsBillable } from "../catalogue";
import { toCurl } from "../snippets";
import { jobStrings } from "../strings";
import type { Search } from "../use-search";

const FIRST_JOB = { task_type: "echo", params: { message: "hello" } };

/** The list of a new account: one next step, and the same as a request to copy. */
export function FirstJob() {
  const t = useStrings(jobStrings);
  const steps = [t("firstStep1"), t("firstStep2"), t("firstStep3")];
  return (
    <StatePanel
      icon={Zap}
      tone="accent"
      title={t("firstTitle")}
      actions={
        <>
          <Button asChild look="primary">
            <Link href="/jobs/new">
              <Plus aria-hidden /> {t("useForm")}
            </Link>
          </Button>
          <Button asChild>
            <Link href="/keys">
              <KeyRound aria-hidden /> {t("makeKey")}
            </Link>
          </Button>
        </>
      }
      aside={
        <div className="grid min-w-0 grid-cols-[minmax(0,1fr)] gap-3">
          <CodeWell label={t("asCurl")} text={toCurl(FIRST_JOB, "first-job", useConfig().apiUrl)} />
          <p className="flex items-center gap-2 text-fg-2 text-sm">
            <CircleDashed aria-hidden className="size-3.5 text-fg-3" /> {t("waitingForFirst")}
          </p>
        </div>
      }
    >
      <p>{t("firstCause")}</p>
      <ol className="mt-4 grid gap-2">
        {steps.map((step, index) => (
          <li key={step} className="flex items-center gap-2">
            {index === 0 ? (
              <CircleCheck aria-hidden className="size-5 text-ok" />
            ) : (
              <span className="grid size-5 place-items-center rounded-full border border-line-control text-xs">
                {index + 1}
              </span>
            )}
            {step}
          </li>
        ))}
      </ol>
    </StatePanel>
  );
}

/** Says which term hides everything, since dropping that one helps most. */
export function NoMatch({ search }: { search: Search }) {
  const t = useStrings(jobStrings);
  const data = useOwnData();
  const { hasOlder, isReading } = useOwnDataState();
  const best = useBestDrop(search);
  return (
    <StatePanel
      icon={SearchX}
      role="status"
      title={t("noMatchTitle")}
      actions={
        <>
          {best ? (
            <Button onClick={() => search.set(best.rest)}>{t("drop", { term: best.term })}</Button>
          ) : null}
          {hasOlder ? (
            <Button busy={isReading} onClick={() => data?.readOlder()}>
              {t("readOlder")}
            </Button>
          ) : null}
          <Button look="ghost" onClick={() => search.set("")}>
            {t("clearAll")}
          </Button>
        </>
      }
    >
      <p className="flex flex-wrap gap-1.5">
        {search.query.map((term) => {
          const text = printTerm(term);
          return (
            <code key={text} className="rounded-sm bg-raised px-1.5 font-mono text-sm">
              {text}
            </code>
          );
        })}
      </p>
      {best ? <p>{t("noMatchWithout", { count: best.count, term: best.term })}</p> : null}
      {hasOlder ? <p>{t("noMatchLoaded")}</p> : null}
    </StatePanel>
  );
}

function useBestDrop({ query }: Search) {
  const data = useOwnData();
  const isBillable = useIsBillable();
  return useMemo(() => {
    const now = Date.now();
    const rows = [...(data?.table.entries() ?? [])];
    const drops = query.map((term) => {
      const rest = query.filter((each) => each !== term);
      const filter = compileSearch(rest, { isBillable });
      const matches = (row: (typeof rows)[number]) =>
        filter.matches(row, now) && (filter.statuses?.has(row.status) ?? true);
      return { term: printTerm(term), rest: printSearch(rest), count: rows.filter(matches).length };
    });
    return drops.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count)[0];
  }, [data, query, isBillable]);
}
