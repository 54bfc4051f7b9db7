"use client";

import { ArrowDown, ArrowLeft, ArrowUp, Ban, Pencil, RotateCw } from "lucide-react";
import Link from "next/link";
import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { lazy, Suspense, useCallback, useMemo, useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { useKeys } from "@/lib/keyboard/use-keys";
import { useJobView, useOwnData } from "@/lib/store/provider";
import type { JobRow } from "@/lib/store/rows";
import { Button } from "@/ui/button";
import { ErrorState } from "@/ui/error-state";
import { Page } from "@/ui/page";
import { TableSkeleton } from "@/ui/skeleton";
import { useToast } from "@/ui/toast";
import { canCancel, cancelJob, canRetry, retryJob } from "../actions";
import { detailStrings } from "../detail-strings";
import { listMemory } from "../list-memory";
import { type JobDetail, useJobDetail } from "../queries";
import { buildSpans } from "../spans";
import { jobStrings } from "../strings";
import { useSearch } from "../use-search";
import { CancelDialog } from "./cancel-dialog";
import { CopyAs } from "./copy-as";
import { JobAnswers, JobHeader } from "./job-header";
import { ConnectionBanner } from "./live-state";
import "../jobs.css";

// The header is there at once; these come with the data that they show.
const LiveWaterfall = lazy(() =>
  import("./live-waterfall").then((loaded) => ({ default: loaded.LiveWaterfall })),
);
const ResultCard = lazy(() =>
  import("./result-card").then((loaded) => ({ default: loaded.ResultCard })),
);
const ParametersCard = lazy(() =>
  import("./job-cards").then((loaded) => ({ default: loaded.ParametersCard })),
);
const SpanCard = lazy(() => import("./job-cards").then((loaded) => ({ default: loaded.SpanCard })));
const HostsCard = lazy(() =>
  import("./job-cards").then((loaded) => ({ default: loaded.HostsCard })),
);

/** One job: what happened to it, what came out, and what to do next. */
export function JobPage({ id }: { id: string }) {
  const detail = useJobDetail(id);
  const { row, params } = detail;
  return (
    <Page
      title={<Crumbs />}
      actions={
        <>
          <Neighbours id={id} />
          {row ? <Actions row={row} params={params.data ?? null} /> : null}
        </>
      }
    >
      <ConnectionBanner />
      <Body detail={detail} />
    </Page>
  );
}

function Body({ detail }: { detail: JobDetail }) {
  const t = useStrings(detailStrings);
  const { row, params, timeline } = detail;
  const { chosen, choose } = useChosenSpan();
  const spans = useMemo(
    () => (row && timeline.data ? buildSpans(row, timeline.data) : undefined),
    [row, timeline.data],
  );
  if (!row) {
    if (params.error)
      return <ErrorState error={params.error} onRetry={() => void params.reload()} />;
    return <TableSkeleton rows={10} label={t("notLoaded")} />;
  }
  const span = spans?.find((each) => each.id === chosen);
  return (
    <>
      <JobHeader row={row} target={getTarget(params.data)} />
      <JobAnswers row={row} />
      <div className="grid min-w-0 items-start gap-4 wide:grid-cols-[minmax(0,1fr)_minmax(340px,440px)]">
        <div className="grid min-w-0 gap-4">
          {spans ? (
            <Suspense fallback={<TableSkeleton rows={6} label={t("timeline")} />}>
              <LiveWaterfall row={row} spans={spans} chosen={chosen} onChoose={choose} />
            </Suspense>
          ) : timeline.error ? (
            <ErrorState error={timeline.error} onRetry={() => void timeline.reload()} />
          ) : (
            <TableSkeleton rows={6} label={t("timeline")} />
          )}
          <Suspense fallback={null}>
            {span ? <SpanCard span={span} row={row} /> : null}
            <ParametersCard params={params.data} />
          </Suspense>
        </div>
        <div className="grid min-w-0 gap-4">
          <Suspense fallback={<TableSkeleton rows={4} label={t("notLoaded")} />}>
            <ResultCard row={row} />
          </Suspense>
          <Suspense fallback={null}>
            <HostsCard items={timeline.data ?? []} />
          </Suspense>
        </div>
      </div>
    </>
  );
}

/** The page that a job visits: its host and path, which say more than the task type. */
function getTarget(params: Record<string, unknown> | null | undefined): string | undefined {
  const url = params?.url;
  if (typeof url !== "string" || !URL.canParse(url)) return undefined;
  const { host, pathname } = new URL(url);
  return host + (pathname === "/" ? "" : pathname);
}

/** Every span has an address: `?span=` beside the search. */
function useChosenSpan() {
  const parameters = useSearchParams();
  const path = usePathname();
  const chosen = parameters.get("span") ?? undefined;
  const choose = useCallback(
    (id: string) => {
      const next = new URLSearchParams(window.location.search);
      if (next.get("span") === id) next.delete("span");
      else next.set("span", id);
      const text = next.toString();
      window.history.replaceState(null, "", text ? `${path}?${text}` : path);
    },
    [path],
  );
  return { chosen, choose };
}

function useListHref(): string {
  const { text } = useSearch();
  return text ? `/jobs?${new URLSearchParams({ q: text })}` : "/jobs";
}

function Crumbs() {
  const t = useStrings(detailStrings);
  const { text } = useSearch();
  return (
    <span className="flex items-center gap-2 font-normal text-base">
      <Link href={useListHref()} className="flex items-center gap-2 text-fg-2 hover:text-fg">
        <ArrowLeft aria-hidden className="size-4" /> {t("back")}
      </Link>
      {text ? (
        <span className="hidden items-center gap-2 text-fg-3 tablet:flex">
          {t("within")}
          <code className="truncate rounded-sm bg-raised px-1.5 py-0.5 font-mono text-fg text-sm">
            {text}
          </code>
        </span>
      ) : null}
    </span>
  );
}

/** Next and previous follow the filtered list, as it is now. */
function Neighbours({ id }: { id: string }) {
  const t = useStrings(detailStrings);
  const router = useRouter();
  const { filter, text } = useSearch();
  const { ids } = useJobView(filter);
  const listHref = useListHref();
  const at = ids.indexOf(id);
  const suffix = text ? `?${new URLSearchParams({ q: text })}` : "";
  const go = (step: number) => {
    const next = at < 0 ? undefined : ids[at + step];
    if (next === undefined) return;
    listMemory.cursor = next;
    router.push(`/jobs/${next}${suffix}`);
  };
  useKeys({ next: () => go(1), previous: () => go(-1), back: () => router.push(listHref) });
  if (at < 0) return null;
  return (
    <span className="flex items-center gap-1">
      <span className="mr-1 hidden whitespace-nowrap text-fg-3 text-sm tabular-nums tablet:inline">
        {t("position", { at: at + 1, count: ids.length })}
      </span>
      <Button
        look="ghost"
        square
        aria-label={t("previousJob")}
        disabled={at === 0}
        onClick={() => go(-1)}
      >
        <ArrowUp aria-hidden />
      </Button>
      <Button
        look="ghost"
        square
        aria-label={t("nextJob")}
        disabled={at === ids.length - 1}
        onClick={() => go(1)}
      >
        <ArrowDown aria-hidden />
      </Button>
    </span>
  );
}

function Actions({ row, params }: { row: JobRow; params: Record<string, unknown> | null }) {
  const t = useStrings(detailStrings);
  const jobs = useStrings(jobStrings);
  const data = useOwnData();
  const toast = useToast();
  const router = useRouter();
  const [isBusy, setBusy] = useState(false);
  const [isAsking, setAsking] = useState(false);
  async function run(action: typeof cancelJob) {
    setBusy(true);
    try {
      await action(data, row.id);
    } catch (error) {
      const detail = error instanceof Error ? error.message : undefined;
      toast({ tone: "bad", title: jobs("actionFailed"), detail });
    } finally {
      setBusy(false);
    }
  }
  const edit = () => router.push(`/jobs/new?from=${row.id}`);
  useKeys({
    ...(canRetry(row) && { retry: () => void run(retryJob) }),
    ...(canCancel(row) && { cancelJob: () => setAsking(true) }),
    ...(params && { edit }),
    copyId: () => void navigator.clipboard.writeText(row.id),
  });
  return (
    <>
      {params ? <CopyAs request={{ task_type: row.task_type, params }} /> : null}
      {canCancel(row) ? (
        <Button busy={isBusy} onClick={() => setAsking(true)}>
          <Ban aria-hidden /> <span className="hidden tablet:inline">{t("cancel")}</span>
        </Button>
      ) : null}
      {params ? (
        <Button onClick={edit} aria-label={t("editAndRun")}>
          <Pencil aria-hidden /> <span className="hidden tablet:inline">{t("editAndRun")}</span>
        </Button>
      ) : null}
      {canRetry(row) ? (
        <Button look="primary" busy={isBusy} onClick={() => void run(retryJob)}>
          <RotateCw aria-hidden /> {t("retry")}
        </Button>
      ) : null}
      <CancelDialog
        open={isAsking}
        count={1}
        onOpenChange={setAsking}
        onCancel={() => {
          setAsking(false);
          void run(cancelJob);
        }}
      />
    </>
  );
}
