"use client";

import clsx from "clsx";
import { ArrowLeft, Play } from "lucide-react";
import Link from "next/link";
import { useRouter, useSearchParams } from "next/navigation";
import { type FormEvent, useMemo, useRef, useState } from "react";
import { api, read } from "@/lib/api/client";
import { ApiError } from "@/lib/api/problems";
import { useConfig } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { useKeys } from "@/lib/keyboard/use-keys";
import { useResource } from "@/lib/resource";
import { buildFields, checkField, cleanParams, type FormField } from "@/lib/schema-form";
import { useAction } from "@/lib/use-action";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { ErrorState } from "@/ui/error-state";
import { Page } from "@/ui/page";
import { ParamField, useErrorText } from "@/ui/param-field";
import { TableSkeleton } from "@/ui/skeleton";
import {
  CEILINGS,
  fromCeilings,
  isWithin,
  type PlanCeilings,
  type TypedCeilings,
  toCeilings,
} from "../ceilings-form";
import { buildExample } from "../examples";
import { WORKFLOWS, type WorkflowType } from "../model";
import { submitRun, useWorkflows } from "../queries";
import { agentStrings } from "../strings";
import { CeilingFields } from "./ceiling-fields";

type Params = Record<string, unknown>;
type Workflows = NonNullable<ReturnType<typeof useWorkflows>["data"]>;

/** A new run, or an edited copy of another one (`?from=`). */
export function NewRunPage() {
  const t = useStrings(agentStrings);
  const router = useRouter();
  const workflows = useWorkflows();
  const start = useStart();
  useKeys({ back: () => router.push("/agents") });
  const error = workflows.error ?? start.error;
  return (
    <Page
      title={
        <span className="flex items-center gap-3">
          <Link href="/agents" aria-label={t("back")} className="text-fg-2 hover:text-fg">
            <ArrowLeft aria-hidden className="size-4" />
          </Link>
          {t("newRun")}
        </span>
      }
    >
      {workflows.data && start.data ? (
        <Chosen workflows={workflows.data} {...start.data} />
      ) : error ? (
        <ErrorState error={error} onRetry={() => void workflows.reload()} />
      ) : (
        <TableSkeleton rows={8} label={t("loading")} />
      )}
    </Page>
  );
}

/** Where the form starts: a copy of a run, an example, or nothing. */
function useStart() {
  const parameters = useSearchParams();
  const { exampleSite } = useConfig();
  const from = parameters.get("from");
  const example = WORKFLOWS.find((each) => each === parameters.get("example"));
  return useResource(`new-run:${from}:${example}`, async (signal) => {
    if (from) {
      const path = { params: { path: { run_id: from } }, signal };
      const run = await read(api.GET("/agents/runs/{run_id}", path));
      return { workflow: run.workflow_type, params: (run.params ?? {}) as Params };
    }
    if (example) return { workflow: example, params: buildExample(example, exampleSite) };
    return { workflow: "research" as WorkflowType, params: {} as Params };
  });
}

function Chosen({
  workflows,
  workflow,
  params,
}: {
  workflows: Workflows;
  workflow: WorkflowType;
  params: Params;
}) {
  const t = useStrings(agentStrings);
  const { exampleSite } = useConfig();
  const [chosen, setChosen] = useState(workflow);
  const [given, setGiven] = useState({ number: 0, params });
  const type = workflows.types.find(({ task_type: name }) => name === `workflow.${chosen}`);
  const fill = (next: Params) => setGiven(({ number }) => ({ number: number + 1, params: next }));
  return (
    <div className="grid items-start gap-6 wide:grid-cols-[minmax(260px,340px)_minmax(0,1fr)]">
      <fieldset className="grid content-start gap-1">
        <legend className="mb-2 font-semibold">{t("workflow")}</legend>
        {WORKFLOWS.map((each) => (
          <label
            key={each}
            className={clsx(
              "grid cursor-pointer gap-0.5 rounded-md border px-3 py-2 has-focus-visible:shadow-(--ring)",
              each === chosen
                ? "border-accent-line bg-accent-tint"
                : "border-transparent hover:bg-raised",
            )}
          >
            <input
              type="radio"
              name="workflow"
              className="sr-only"
              checked={each === chosen}
              onChange={() => {
                setChosen(each);
                fill({});
              }}
            />
            <span className="font-medium">{t(each)}</span>
            <span className="text-fg-2 text-sm">{t(`${each}About`)}</span>
          </label>
        ))}
      </fieldset>
      {type ? (
        <Card className="grid gap-4 p-4 tablet:p-5">
          <header className="flex flex-wrap items-center gap-3">
            <h2 className="mr-auto">{t(chosen)}</h2>
            <Button
              look="ghost"
              size="small"
              onClick={() => fill(buildExample(chosen, exampleSite))}
            >
              {t("example")}
            </Button>
          </header>
          <RunForm
            key={`${chosen}-${given.number}`}
            workflow={chosen}
            schema={type.params_schema}
            plan={workflows.ceilings}
            initial={given.params}
          />
        </Card>
      ) : null}
    </div>
  );
}

function RunForm({
  workflow,
  schema,
  plan,
  initial,
}: {
  workflow: WorkflowType;
  schema: object;
  plan: PlanCeilings;
  initial: Params;
}) {
  const t = useStrings(agentStrings);
  const router = useRouter();
  const { ceilings: given, ...rest } = initial;
  const [params, setParams] = useState<Params>(rest);
  const [limits, setLimits] = useState<TypedCeilings>(() => fromCeilings(given));
  const [isTried, setTried] = useState(false);
  const last = useRef({ text: "", key: "" });
  const fields = useMemo(
    () => buildFields(schema).filter(({ name }) => name !== "ceilings"),
    [schema],
  );
  const { act, busy, error } = useAction(async (body: Params) => {
    // The same request keeps its key, so that trying again begins no second run.
    const text = JSON.stringify(body);
    if (last.current.text !== text) last.current = { text, key: crypto.randomUUID() };
    router.push(`/agents/${await submitRun(workflow, body, last.current.key)}`);
  });
  const problems = useProblems(fields, params, isTried, error);
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setTried(true);
    const isBroken =
      fields.some((field) => checkField(field, params[field.name])) ||
      CEILINGS.some((name) => limits[name] !== undefined && !isWithin(name, limits[name], plan));
    if (isBroken) {
      const form = event.currentTarget;
      requestAnimationFrame(() => form.querySelector<HTMLElement>("[aria-invalid]")?.focus());
      return;
    }
    const ceilings = toCeilings(limits);
    void act({ ...cleanParams(params), ...(ceilings && { ceilings }) });
  }
  return (
    <form noValidate onSubmit={submit} className="grid gap-4">
      {fields.map((field) => (
        <ParamField
          key={field.name}
          field={field}
          value={params[field.name]}
          error={problems.get(field.name)}
          onChange={(value) => setParams((before) => ({ ...before, [field.name]: value }))}
        />
      ))}
      <CeilingFields plan={plan} limits={limits} onChange={setLimits} />
      {error && problems.size === 0 ? <ErrorState error={error} /> : null}
      <footer className="flex flex-wrap items-center gap-3">
        <p className="text-fg-2 text-sm">{t("costNote")}</p>
        <Button type="submit" look="primary" size="large" busy={busy} className="ml-auto">
          <Play aria-hidden /> {t("start")}
        </Button>
      </footer>
    </form>
  );
}

/** The message of each field: our own check, then the gateway's answer by its JSON pointer. */
function useProblems(
  fields: readonly FormField[],
  params: Params,
  isTried: boolean,
  error: unknown,
): ReadonlyMap<string, string> {
  const print = useErrorText();
  const problems = new Map<string, string>();
  if (error instanceof ApiError) {
    for (const [pointer, detail] of error.fieldErrors) {
      const name = pointer.match(/^\/([^/]+)/)?.[1];
      if (fields.some((field) => field.name === name)) problems.set(name as string, detail);
    }
  }
  for (const field of isTried ? fields : []) {
    const problem = checkField(field, params[field.name]);
    if (problem) problems.set(field.name, print(problem));
  }
  return problems;
}
