"use client";

import { ArrowLeft, CircleX, Repeat2, Square } from "lucide-react";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { lazy, Suspense, useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { StreamState } from "@/lib/sse/stream";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/confirm";
import { ErrorState } from "@/ui/error-state";
import { Page } from "@/ui/page";
import { TableSkeleton } from "@/ui/skeleton";
import { isFinal, type Run } from "../model";
import { stopRun, useRunFeed } from "../queries";
import type { FeedState, RunSnapshot } from "../run-feed";
import { agentStrings } from "../strings";
import { CeilingCard } from "./ceiling-card";
import { useReason } from "./reason";
import { RunAnswers, RunHeader } from "./run-header";
import { StepsCard } from "./steps-card";

// The head and the steps are there at once; these come with the data that they show.
const AnswerCard = lazy(() =>
  import("./answer-card").then((loaded) => ({ default: loaded.AnswerCard })),
);
const SourcesCard = lazy(() =>
  import("./sources-card").then((loaded) => ({ default: loaded.SourcesCard })),
);

/** One run: what it does now, what it asks, what it has used, and where its answer is from. */
export function RunPage({ id }: { id: string }) {
  const t = useStrings(agentStrings);
  const feed = useRunFeed(id);
  const { snapshot, error } = feed;
  return (
    <Page
      title={
        <Link
          href="/agents"
          className="flex items-center gap-2 font-normal text-base text-fg-2 hover:text-fg"
        >
          <ArrowLeft aria-hidden className="size-4" /> {t("back")}
        </Link>
      }
      about={snapshot && !isFinal(snapshot.run.state) ? <LinkState link={feed.link} /> : null}
      actions={snapshot ? <Actions run={snapshot.run} read={feed.read} /> : null}
    >
      {snapshot ? (
        <Body snapshot={snapshot} text={feed.text} read={feed.read} />
      ) : error ? (
        <ErrorState error={error} onRetry={() => void feed.read()} />
      ) : (
        <TableSkeleton rows={10} label={t("loading")} />
      )}
    </Page>
  );
}

function LinkState({ link }: { link: StreamState }) {
  const t = useStrings(agentStrings);
  const word = link.kind === "live" ? "live" : link.kind === "connecting" ? "connecting" : "lost";
  return (
    <span role="status" className="text-fg-3 text-sm">
      {t(word)}
    </span>
  );
}

function Actions({ run, read }: { run: Run; read: () => Promise<void> }) {
  const t = useStrings(agentStrings);
  const router = useRouter();
  const [isAsking, setAsking] = useState(false);
  const canStop = !isFinal(run.state) && !run.cancel_requested;
  const again = () => router.push(`/agents/new?from=${run.id}`);
  useKeys({
    back: () => router.push("/agents"),
    edit: again,
    copyId: () => void navigator.clipboard.writeText(run.id),
    ...(canStop && { cancelJob: () => setAsking(true) }),
  });
  return (
    <>
      <Button onClick={again} aria-label={t("again")}>
        <Repeat2 aria-hidden /> <span className="hidden tablet:inline">{t("again")}</span>
      </Button>
      {isFinal(run.state) ? null : (
        <Button disabled={!canStop} onClick={() => setAsking(true)}>
          <Square aria-hidden /> {t(canStop ? "stop" : "stopping")}
        </Button>
      )}
      <Confirm
        open={isAsking}
        onClose={() => setAsking(false)}
        title={t("stopTitle")}
        about={t("stopAbout")}
        action={t("stop")}
        run={async () => {
          await stopRun(run.id);
          await read();
        }}
      />
    </>
  );
}

function Body({
  snapshot,
  text,
  read,
}: {
  snapshot: RunSnapshot;
  text: FeedState["text"];
  read: () => Promise<void>;
}) {
  const t = useStrings(agentStrings);
  const { run, steps, approvals } = snapshot;
  // Decided as the page is opened: nothing moves when a run ends that is being watched.
  const [startsWithAnswer] = useState(isFinal(run.state));
  const answer = (
    <Suspense fallback={<TableSkeleton rows={3} label={t("loading")} />}>
      <AnswerCard run={run} text={text} />
    </Suspense>
  );
  return (
    <>
      <RunHeader run={run} />
      <RunAnswers run={run} steps={steps} approvals={approvals} />
      <Outcome run={run} />
      <div className="grid min-w-0 items-start gap-4 wide:grid-cols-[minmax(0,1fr)_minmax(320px,380px)]">
        <div className="grid min-w-0 gap-4">
          {startsWithAnswer ? answer : null}
          <StepsCard run={run} steps={steps} approvals={approvals} read={read} />
          {startsWithAnswer ? null : answer}
        </div>
        <div className="grid min-w-0 gap-4">
          <CeilingCard run={run} />
          <Suspense fallback={<TableSkeleton rows={3} label={t("loading")} />}>
            <SourcesCard run={run} />
          </Suspense>
        </div>
      </div>
    </>
  );
}

/** Why there is a part only, or nothing. */
function Outcome({ run }: { run: Run }) {
  const t = useStrings(agentStrings);
  const nameReason = useReason();
  if (run.partial) {
    return (
      <Banner tone="need" title={t("partialTitle")}>
        {t("partialAbout", { reason: nameReason(run.partial_reason) })}
      </Banner>
    );
  }
  if (run.state === "failed") {
    return (
      <Banner tone="bad" icon={CircleX} title={t("failedTitle")}>
        {nameReason(run.failure_reason)}
      </Banner>
    );
  }
  return run.state === "cancelled" ? <Banner title={t("cancelledTitle")} /> : null;
}
