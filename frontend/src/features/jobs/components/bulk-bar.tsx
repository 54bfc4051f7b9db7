"use client";

import { Ban, Download, RotateCw, X } from "lucide-react";
import { useMemo, useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { useKeys } from "@/lib/keyboard/use-keys";
import { useOwnData } from "@/lib/store/provider";
import type { JobRow } from "@/lib/store/rows";
import { Button } from "@/ui/button";
import { Kbd } from "@/ui/kbd";
import { useToast } from "@/ui/toast";
import { canCancel, cancelJob, canRetry, retryJob, runBulk } from "../actions";
import { downloadCsv } from "../export";
import { jobStrings } from "../strings";
import { CancelDialog } from "./cancel-dialog";

interface BulkBarProps {
  readonly selection: ReadonlySet<string>;
  readonly getRow: (id: string) => JobRow | undefined;
  readonly onClear: () => void;
}

/** What can be done with the selected jobs. Each refusal is counted, and the others go on. */
export function BulkBar({ selection, getRow, onClear }: BulkBarProps) {
  const t = useStrings(jobStrings);
  const data = useOwnData();
  const toast = useToast();
  const [isBusy, setBusy] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const rows = useMemo(
    () => [...selection].map(getRow).filter((row) => row !== undefined),
    [selection, getRow],
  );
  const toRetry = rows.filter(canRetry).map((row) => row.id);
  const toCancel = rows.filter(canCancel).map((row) => row.id);

  async function run(ids: readonly string[], action: typeof cancelJob) {
    setBusy(true);
    const { failures } = await runBulk(ids, (id) => action(data, id));
    setBusy(false);
    if (failures.length === 0) return onClear();
    const detail = t("actionsFailed", { failed: failures.length, count: ids.length });
    toast({ tone: "bad", title: t("actionFailed"), detail });
  }
  const retry = () => void run(toRetry, retryJob);
  useKeys({
    ...(toRetry.length > 0 && { retry }),
    ...(toCancel.length > 0 && { cancelJob: () => setAsking(true) }),
  });

  return (
    <section
      aria-label={t("selected", { count: selection.size })}
      className="fixed bottom-[72px] left-1/2 z-20 flex max-w-[calc(100vw-24px)] -translate-x-1/2 items-center gap-2 rounded-xl border border-line-strong bg-float py-2 pr-2 pl-4 shadow-2 tablet:bottom-12"
    >
      <span role="status" className="whitespace-nowrap font-medium">
        {t("selected", { count: selection.size })}
      </span>
      {toRetry.length > 0 ? (
        <Button size="small" busy={isBusy} onClick={retry}>
          <RotateCw aria-hidden /> {t("retryCount", { count: toRetry.length })} <Kbd>R</Kbd>
        </Button>
      ) : null}
      {toCancel.length > 0 ? (
        <Button size="small" busy={isBusy} onClick={() => setAsking(true)}>
          <Ban aria-hidden /> {t("cancelCount", { count: toCancel.length })} <Kbd>C</Kbd>
        </Button>
      ) : null}
      <Button look="ghost" size="small" onClick={() => downloadCsv(rows)}>
        <Download aria-hidden /> {t("export")}
      </Button>
      <Button look="ghost" size="small" square aria-label={t("clearSelection")} onClick={onClear}>
        <X aria-hidden />
      </Button>
      <CancelDialog
        open={isAsking}
        count={toCancel.length}
        onOpenChange={setAsking}
        onCancel={() => {
          setAsking(false);
          void run(toCancel, cancelJob);
        }}
      />
    </section>
  );
}
