"use client";

import { formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { statusStrings } from "@/lib/i18n/strings/status";
import { printSearch } from "@/lib/search/print";
import { getOnlyStatus, withStatus } from "@/lib/search/url";
import type { JobStatus } from "@/lib/store/rows";
import type { Counts } from "@/lib/store/view";
import { StatusIcon } from "@/ui/status-badge";
import { jobStrings } from "../strings";
import type { Search } from "../use-search";

const TABS: readonly JobStatus[] = ["RUNNING", "PENDING", "FAILED", "COMPLETED", "CANCELLED"];

export function StatusTabs({ search, counts }: { search: Search; counts: Counts }) {
  const t = useStrings(jobStrings);
  const status = useStrings(statusStrings);
  const chosen = getOnlyStatus(search.query);
  const choose = (next: JobStatus | undefined) =>
    search.set(printSearch(withStatus(search.query, next)));
  return (
    <nav
      aria-label={t("statusFilter")}
      className="-mx-4 flex min-w-0 items-center gap-0.5 overflow-x-auto px-4 [scrollbar-width:none] tablet:mx-0 tablet:px-0"
    >
      <Tab isChosen={chosen === undefined} count={counts.all} onChoose={() => choose(undefined)}>
        {t("all")}
      </Tab>
      {TABS.map((each) => (
        <Tab
          key={each}
          isChosen={chosen === each}
          count={counts[each]}
          onChoose={() => choose(chosen === each ? undefined : each)}
        >
          <StatusIcon status={each} className={counts[each] === 0 ? "!animate-none" : undefined} />
          {status(each)}
        </Tab>
      ))}
    </nav>
  );
}

interface TabProps {
  readonly isChosen: boolean;
  readonly count: number;
  readonly onChoose: () => void;
  readonly children: React.ReactNode;
}

function Tab({ isChosen, count, onChoose, children }: TabProps) {
  const locale = useLocale();
  return (
    <button
      type="button"
      aria-current={isChosen || undefined}
      onClick={onChoose}
      className="inline-flex h-9 items-center gap-1.5 whitespace-nowrap rounded-md px-2.5 font-medium text-fg-2 text-sm hover:bg-raised aria-[current]:bg-raised aria-[current]:text-fg tablet:h-7 tablet:px-2"
    >
      {children}{" "}
      <span className="font-normal text-fg-3 tabular-nums">{formatNumber(locale, count)}</span>
    </button>
  );
}
