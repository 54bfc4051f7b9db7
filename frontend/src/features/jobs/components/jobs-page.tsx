"use client";

import { ArrowUp, Link as LinkIcon, Plus } from "lucide-react";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { lazy, Suspense, useCallback, useMemo } from "react";
import { formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { useKeys } from "@/lib/keyboard/use-keys";
import { useHasNoJobs, useJobView, useOwnData, useOwnDataState } from "@/lib/store/provider";
import { Button } from "@/ui/button";
import { ErrorState } from "@/ui/error-state";
import { Kbd } from "@/ui/kbd";
import { Page } from "@/ui/page";
import { TableSkeleton } from "@/ui/skeleton";
import { useColumns } from "../columns";
import { jobStrings } from "../strings";
import { useHeldRows } from "../use-held-rows";
import { type Search, useSearch } from "../use-search";
import { type ListSelection, useListSelection } from "../use-selection";
import { Answers } from "./answers";
import { ColumnMenu } from "./column-menu";
import { JobList } from "./job-list";
import { ConnectionBanner, LiveState } from "./live-state";
import { SearchBar } from "./search-bar";
import { StatusTabs } from "./status-tabs";

// What most visits do not show.
const BulkBar = lazy(() => import("./bulk-bar").then((loaded) => ({ default: loaded.BulkBar })));
const FirstJob = lazy(() =>
  import("./list-states").then((loaded) => ({ default: loaded.FirstJob })),
);
const NoMatch = lazy(() => import("./list-states").then((loaded) => ({ default: loaded.NoMatch })));

/** The user's jobs, live. */
export function JobsPage() {
  const t = useStrings(jobStrings);
  const search = useSearch();
  const isEmpty = useHasNoJobs();
  return (
    <Page
      title={t("title")}
      actions={
        <Button asChild look="primary">
          <Link href="/jobs/new">
            <Plus aria-hidden /> {t("newJob")} <Kbd className="max-tablet:hidden">N</Kbd>
          </Link>
        </Button>
      }
    >
      <ConnectionBanner />
      <Answers />
      <Suspense fallback={null}>{isEmpty ? <FirstJob /> : <Results search={search} />}</Suspense>
    </Page>
  );
}

function Results({ search }: { search: Search }) {
  const t = useStrings(jobStrings);
  const locale = useLocale();
  const data = useOwnData();
  const state = useOwnDataState();
  const view = useJobView(search.filter);
  const held = useHeldRows(view, search.text);
  const chosen = useListSelection(held.ids);
  const columns = useColumns();
  const { open, getHref } = useOpening(search);
  useListKeys(chosen, held.togglePause, open);
  const readOlder = useCallback(() => data?.readOlder(), [data]);

  const count = view.ids.length;
  const shownCount = state.hasOlder
    ? t("matchingMore", { count: formatNumber(locale, count) })
    : t("matching", { count });
  const isLoading = state.phase === "empty" && count === 0;
  return (
    <>
      <div className="flex items-start gap-2">
        <SearchBar search={search} count={isLoading ? "" : shownCount} />
        <CopyLink />
      </div>
      <div className="flex items-center gap-4">
        <StatusTabs search={search} counts={view.counts} />
        <LiveState held={held} />
        <ColumnMenu columns={columns} />
      </div>
      {isLoading && state.error !== undefined ? (
        <ErrorState error={state.error} onRetry={() => data?.reconnect()} />
      ) : isLoading ? (
        <TableSkeleton rows={12} label={t("loading")} />
      ) : held.ids.length === 0 && held.newCount === 0 ? (
        <Suspense fallback={null}>
          <NoMatch search={search} />
        </Suspense>
      ) : (
        <div className="relative">
          <NewRows count={held.newCount} onShow={held.showNew} />
          <JobList
            ids={held.ids}
            getRow={held.getRow}
            columns={columns.shown}
            cursor={chosen.cursor}
            selection={chosen.selection}
            onSelect={chosen.toggle}
            onSelectAll={chosen.toggleAll}
            onOpen={open}
            getHref={getHref}
            onNearEnd={readOlder}
          />
          {state.hasOlder ? (
            <p role="status" className="pt-3 text-center text-fg-3 text-sm">
              {t("loadingOlder")}
            </p>
          ) : null}
        </div>
      )}
      {chosen.selection.size > 0 ? (
        <Suspense fallback={null}>
          <BulkBar selection={chosen.selection} getRow={held.getRow} onClear={chosen.clear} />
        </Suspense>
      ) : null}
    </>
  );
}

/** The page of a job keeps the search, for its next and previous job. */
function useOpening({ text }: Search) {
  const router = useRouter();
  const suffix = useMemo(() => (text ? `?${new URLSearchParams({ q: text })}` : ""), [text]);
  const getHref = useCallback((id: string) => `/jobs/${id}${suffix}`, [suffix]);
  const open = useCallback((id: string) => router.push(getHref(id)), [router, getHref]);
  return { open, getHref };
}

function useListKeys(
  { cursor, move, place, toggle, toggleAll, clear, selection }: ListSelection,
  togglePause: () => void,
  open: (id: string) => void,
): void {
  const router = useRouter();
  useKeys({
    next: () => move(1),
    previous: () => move(-1),
    select: () => {
      if (cursor) toggle(cursor, false);
    },
    selectAll: toggleAll,
    open: () => {
      if (!cursor) return;
      place(cursor);
      open(cursor);
    },
    newJob: () => router.push("/jobs/new"),
    pause: togglePause,
    ...(selection.size > 0 && { back: clear }),
    copyId: () => {
      if (cursor) void navigator.clipboard.writeText(cursor);
    },
  });
}

function CopyLink() {
  const t = useStrings(jobStrings);
  const getLink = () => window.location.href;
  return (
    <span className="hidden tablet:inline">
      <CopyLinkButton label={t("copyLink")} getLink={getLink} />
    </span>
  );
}

function CopyLinkButton({ label, getLink }: { label: string; getLink: () => string }) {
  return (
    <Button className="!h-9" onClick={() => void navigator.clipboard.writeText(getLink())}>
      <LinkIcon aria-hidden /> {label}
    </Button>
  );
}

/** New rows wait here, so that nothing moves under the pointer. */
function NewRows({ count, onShow }: { count: number; onShow: () => void }) {
  const t = useStrings(jobStrings);
  function show() {
    onShow();
    window.scrollTo({ top: 0 });
  }
  return (
    <div role="status" className="pointer-events-none sticky top-16 z-10 flex h-0 justify-center">
      {count > 0 ? (
        <Button
          look="primary"
          size="small"
          className="pointer-events-auto -mt-3.5 !rounded-full shadow-2"
          onClick={show}
        >
          <ArrowUp aria-hidden /> {t("newRows", { count })}
        </Button>
      ) : null}
    </div>
  );
}
