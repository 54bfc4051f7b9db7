"use client";

import { ArrowLeft } from "lucide-react";
import Link from "next/link";
import { useRouter, useSearchParams } from "next/navigation";
import { useCallback, useEffect, useRef, useState } from "react";
import { api, read } from "@/lib/api/client";
import { useUser } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { useKeys } from "@/lib/keyboard/use-keys";
import { buildFields, withoutSecrets } from "@/lib/schema-form";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { ErrorState } from "@/ui/error-state";
import { Page } from "@/ui/page";
import { TableSkeleton } from "@/ui/skeleton";
import { type TaskType, useCatalogue } from "../catalogue";
import { clearDraft, type Draft, loadDraft, saveDraft } from "../drafts";
import { formStrings } from "../form-strings";
import { JobForm } from "./job-form";
import { TypePicker } from "./type-picker";

const SAVE_MS = 600;

/** A new job, or an edited copy of another one (`?from=`). */
export function NewJobPage() {
  const t = useStrings(formStrings);
  const router = useRouter();
  const catalogue = useCatalogue();
  useKeys({ back: () => router.push("/jobs") });
  return (
    <Page
      title={
        <span className="flex items-center gap-3">
          <Link href="/jobs" aria-label={t("back")} className="text-fg-2 hover:text-fg">
            <ArrowLeft aria-hidden className="size-4" />
          </Link>
          {t("title")}
        </span>
      }
    >
      {catalogue.data ? (
        <Form types={catalogue.data} />
      ) : catalogue.error ? (
        <ErrorState error={catalogue.error} onRetry={() => void catalogue.reload()} />
      ) : (
        <TableSkeleton rows={8} label={t("loading")} />
      )}
    </Page>
  );
}

interface Start extends Draft {
  readonly origin: "first" | "draft" | "copy";
}

function Form({ types }: { types: readonly TaskType[] }) {
  const t = useStrings(formStrings);
  const { id: owner, plan } = useUser();
  const from = useSearchParams().get("from");
  const { start, error, reset } = useStart(types, owner, from, plan);
  const [taskType, setTaskType] = useState<string>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  const chosen = types.find((type) => type.task_type === (taskType ?? start?.taskType));
  const remember = useCallback(
    (type: TaskType, params: Draft["params"]) => {
      clearTimeout(timer.current);
      const safe = withoutSecrets(buildFields(type.params_schema), params);
      timer.current = setTimeout(() => {
        void saveDraft(owner, { taskType: type.task_type, params: safe });
      }, SAVE_MS);
    },
    [owner],
  );
  const forget = useCallback(() => {
    clearTimeout(timer.current);
    void clearDraft();
  }, []);

  if (error) return <ErrorState error={error} />;
  if (!start || !chosen) return <TableSkeleton rows={8} label={t("loading")} />;
  const isStart = chosen.task_type === start.taskType;
  return (
    <>
      {start.origin === "first" ? null : (
        <Banner
          title={t(start.origin === "draft" ? "draft" : "from", { id: from?.slice(-8) ?? "" })}
          action={
            <Button
              size="small"
              onClick={() => {
                forget();
                setTaskType(undefined);
                reset();
              }}
            >
              {t("discard")}
            </Button>
          }
        />
      )}
      <div className="grid items-start gap-6 wide:grid-cols-[minmax(260px,340px)_minmax(0,1fr)]">
        <TypePicker types={types} chosen={chosen.task_type} onChoose={setTaskType} />
        <JobForm
          key={`${start.origin}-${chosen.task_type}`}
          type={chosen}
          initial={isStart ? start.params : {}}
          onEdit={(params) => remember(chosen, params)}
          onSent={forget}
        />
      </div>
    </>
  );
}

/** Where the form starts: a copy, the draft, or the first type that the plan includes. */
function useStart(
  types: readonly TaskType[],
  owner: string,
  from: string | null,
  plan: TaskType["plans"][number],
) {
  const [start, setStart] = useState<Start>();
  const [error, setError] = useState<unknown>();
  const first = types.find((type) => type.plans.includes(plan)) ?? types[0];
  const reset = useCallback(() => {
    setStart({ origin: "first", taskType: first?.task_type ?? "", params: {} });
  }, [first]);
  useEffect(() => {
    let isCurrent = true;
    const begin = async (): Promise<Start | undefined> => {
      if (from) {
        const path = { params: { path: { job_id: from } } };
        const job = await read(api.GET("/jobs/{job_id}", path));
        const type = types.find((each) => each.task_type === job.task_type);
        const fields = type ? buildFields(type.params_schema) : [];
        const params = withoutSecrets(fields, (job.params ?? {}) as Draft["params"]);
        return { origin: "copy", taskType: job.task_type, params };
      }
      const draft = await loadDraft(owner);
      return draft && { ...draft, origin: "draft" };
    };
    begin()
      .then((found) => {
        if (!isCurrent) return;
        if (found && types.some((type) => type.task_type === found.taskType)) setStart(found);
        else reset();
      })
      .catch((caught: unknown) => isCurrent && setError(caught));
    return () => {
      isCurrent = false;
    };
  }, [types, owner, from, reset]);
  return { start, error, reset };
}
