"use client";

import { CircleCheck, Hand, LoaderCircle, Plus, SearchX, Sparkles } from "lucide-react";
import Link from "next/link";
import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { useState } from "react";
import { formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { useKeys } from "@/lib/keyboard/use-keys";
import { Button } from "@/ui/button";
import { ErrorState } from "@/ui/error-state";
import { Select } from "@/ui/field";
import { Page } from "@/ui/page";
import { TableSkeleton } from "@/ui/skeleton";
import { StatePanel } from "@/ui/states";
import { AnswerStrip } from "@/ui/strip";
import { formatUsd, isFinal, type RunSummary, STATES, WORKFLOWS } from "../model";
import { type RunFilter, useRuns } from "../queries";
import { agentStrings } from "../strings";
import { RunsTable } from "./runs-table";

/** The runs of the user, live, with their filters in the address. */
export function RunsPage() {
  const t = useStrings(agentStrings);
  const router = useRouter();
  const { filter, set, clear } = useFilter();
  const [pages, setPages] = useState(1);
  const { data, error, reload } = useRuns(filter, pages);
  useKeys({ newJob: () => router.push("/agents/new") });
  const isFiltered = Boolean(filter.type ?? filter.state);
  return (
    <Page
      title={t("title")}
      actions={
        <Button asChild look="primary">
          <Link href="/agents/new">
            <Plus aria-hidden /> {t("newRun")}
          </Link>
        </Button>
      }
    >
      {data ? <RunsAnswers runs={data.items} /> : null}
      <Filters filter={filter} set={set} />
      {data ? null : error ? (
        <ErrorState error={error} onRetry={() => void reload()} />
      ) : (
        <TableSkeleton rows={8} label={t("loading")} />
      )}
      {data && data.items.length > 0 ? <RunsTable runs={data.items} /> : null}
      {data && data.items.length === 0 ? (
        isFiltered ? (
          <NoMatch onClear={clear} />
        ) : (
          <Empty />
        )
      ) : null}
      {data?.hasMore ? (
        <Button className="self-center" onClick={() => setPages((before) => before + 1)}>
          {t("more")}
        </Button>
      ) : null}
    </Page>
  );
}

function useFilter() {
  const parameters = useSearchParams();
  const path = usePathname();
  const type = WORKFLOWS.find((each) => each === parameters.get("type"));
  const state = STATES.find((each) => each === parameters.get("state"));
  const filter: RunFilter = { ...(type && { type }), ...(state && { state }) };
  function set(name: keyof RunFilter, value: string) {
    const next = new URLSearchParams(window.location.search);
    if (value) next.set(name, value);
    else next.delete(name);
    const text = next.toString();
    window.history.replaceState(null, "", text ? `${path}?${text}` : path);
  }
  return { filter, set, clear: () => window.history.replaceState(null, "", path) };
}

function Filters({
  filter,
  set,
}: {
  filter: RunFilter;
  set: (name: keyof RunFilter, value: string) => void;
}) {
  const t = useStrings(agentStrings);
  return (
    <fieldset aria-label={t("filters")} className="flex flex-wrap gap-2">
      <Select
        aria-label={t("colWorkflow")}
        className="!w-auto"
        value={filter.type ?? ""}
        onChange={(event) => set("type", event.target.value)}
      >
        <option value="">{t("allTypes")}</option>
        {WORKFLOWS.map((each) => (
          <option key={each} value={each}>
            {t(each)}
          </option>
        ))}
      </Select>
      <Select
        aria-label={t("colState")}
        className="!w-auto"
        value={filter.state ?? ""}
        onChange={(event) => set("state", event.target.value)}
      >
        <option value="">{t("allStates")}</option>
        {STATES.map((each) => (
          <option key={each} value={each}>
            {t(each)}
          </option>
        ))}
      </Select>
    </fieldset>
  );
}

function RunsAnswers({ runs }: { runs: readonly RunSummary[] }) {
  const t = useStrings(agentStrings);
  const locale = useLocale();
  const active = runs.filter(({ state }) => !isFinal(state));
  const waiting = active.filter(({ state }) => state === "waiting").length;
  const asking = active.filter(({ open_approvals: open }) => open > 0);
  const spent = runs.reduce((sum, { spend }) => sum + spend.cost_micro_usd, 0);
  const [first] = asking;
  const calm = (
    <span className="flex items-center gap-1.5 font-medium text-fg-2">
      <CircleCheck aria-hidden className="size-4 text-ok" /> {t("nothing")}
    </span>
  );
  return (
    <AnswerStrip
      label={t("answers")}
      answers={[
        {
          label: t("now"),
          fact: active.length ? (
            <>
              <LoaderCircle aria-hidden className="size-4 animate-spin text-run" />
              {t("activeRuns", { count: active.length })}
            </>
          ) : (
            t("noneActive")
          ),
          reason: waiting ? t("waitingHold", { count: formatNumber(locale, waiting) }) : undefined,
        },
        {
          label: t("needsYou"),
          fact: first ? (
            <>
              <Hand aria-hidden className="size-4 text-need" />
              {t("askingRuns", { count: asking.length })}
            </>
          ) : (
            calm
          ),
          reason: first ? first.title : t("noNeed"),
          action: first ? (
            <Button asChild size="small">
              <Link href={`/agents/${first.id}`}>{t("goToIt")}</Link>
            </Button>
          ) : undefined,
        },
        { label: t("cost"), fact: formatUsd(locale, spent), reason: t("shownCost") },
      ]}
    />
  );
}

function Empty() {
  const t = useStrings(agentStrings);
  return (
    <StatePanel
      icon={Sparkles}
      tone="accent"
      title={t("emptyTitle")}
      actions={
        <Button asChild look="primary">
          <Link href="/agents/new?example=research">
            <Plus aria-hidden /> {t("newRun")}
          </Link>
        </Button>
      }
    >
      <p>{t("emptyAbout")}</p>
    </StatePanel>
  );
}

function NoMatch({ onClear }: { onClear: () => void }) {
  const t = useStrings(agentStrings);
  return (
    <StatePanel
      icon={SearchX}
      title={t("noMatchTitle")}
      actions={<Button onClick={onClear}>{t("clear")}</Button>}
    >
      <p>{t("noMatchAbout")}</p>
    </StatePanel>
  );
}
