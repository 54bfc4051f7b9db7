"use client";

import { Play } from "lucide-react";
import { useRouter } from "next/navigation";
import { type FormEvent, useMemo, useRef, useState } from "react";
import { ApiError } from "@/lib/api/problems";
import { useStrings } from "@/lib/i18n/provider";
import { fieldStrings } from "@/lib/i18n/strings/fields";
import {
  buildExample,
  buildFields,
  checkField,
  cleanParams,
  type FormField,
  type Params,
} from "@/lib/schema-form";
import { useOwnData } from "@/lib/store/provider";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { ErrorState } from "@/ui/error-state";
import { Field, Input, TextArea } from "@/ui/field";
import { ParamField, useErrorText } from "@/ui/param-field";
import { Segmented } from "@/ui/segmented";
import { type JobRequest, submitJob } from "../actions";
import type { TaskType } from "../catalogue";
import { formStrings } from "../form-strings";
import { BatchForm } from "./batch-form";
import { CopyAs } from "./copy-as";
import { FormCost } from "./form-cost";

interface JobFormProps {
  readonly type: TaskType;
  readonly initial: Params;
  readonly onEdit: (params: Params) => void;
  readonly onSent: () => void;
}

type Entry = "form" | "json" | "batch";

export function JobForm({ type, initial, onEdit, onSent }: JobFormProps) {
  const t = useStrings(formStrings);
  const [entry, setEntry] = useState<Entry>("form");
  const [params, setParams] = useState<Params>(initial);
  const fields = useMemo(() => buildFields(type.params_schema), [type]);
  function edit(next: Params) {
    setParams(next);
    onEdit(next);
  }
  return (
    <Card className="grid gap-4 p-4 tablet:p-5">
      <header className="flex flex-wrap items-center gap-3">
        <h2 className="mr-auto font-mono">{type.task_type}</h2>
        {entry === "batch" ? null : (
          <Button
            look="ghost"
            size="small"
            onClick={() => edit(buildExample(type.task_type, fields))}
          >
            {t("example")}
          </Button>
        )}
        <Segmented
          label={t("view")}
          value={entry}
          options={[
            { value: "form", label: t("form") },
            { value: "json", label: t("json") },
            { value: "batch", label: t("batch") },
          ]}
          onChange={setEntry}
        />
      </header>
      {entry === "batch" ? (
        <BatchForm type={type} onSent={onSent} />
      ) : (
        <SingleForm
          type={type}
          fields={fields}
          params={params}
          isJson={entry === "json"}
          onEdit={edit}
          onSent={onSent}
        />
      )}
    </Card>
  );
}

interface SingleFormProps {
  readonly type: TaskType;
  readonly fields: readonly FormField[];
  readonly params: Params;
  readonly isJson: boolean;
  readonly onEdit: (params: Params) => void;
  readonly onSent: () => void;
}

function SingleForm({ type, fields, params, isJson, onEdit, onSent }: SingleFormProps) {
  const t = useStrings(formStrings);
  const [priority, setPriority] = useState(5);
  const [runAt, setRunAt] = useState("");
  const [isTried, setTried] = useState(false);
  const { send, error, isSending } = useSending(onSent);
  const cleaned = cleanParams(params);
  const request: JobRequest = {
    task_type: type.task_type,
    params: cleaned as JobRequest["params"],
    priority,
    ...(runAt && { run_at: `${runAt}:00Z` }),
  };
  const problems = useProblems(fields, params, isTried, error);
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setTried(true);
    if (fields.some((field) => checkField(field, params[field.name]))) {
      const form = event.currentTarget;
      requestAnimationFrame(() => form.querySelector<HTMLElement>("[aria-invalid]")?.focus());
      return;
    }
    void send(request);
  }
  return (
    <form noValidate onSubmit={submit} className="grid gap-4">
      {isJson ? (
        <JsonParams params={params} onEdit={onEdit} />
      ) : (
        <Fields fields={fields} params={params} problems={problems} onEdit={onEdit} />
      )}
      <div className="grid gap-4 border-line border-t pt-4 tablet:grid-cols-2">
        <Field label={t("priority")} hint={t("priorityHint")}>
          {(ids) => (
            <Input
              {...ids}
              type="number"
              min={0}
              max={9}
              value={priority}
              onChange={(event) => setPriority(Number(event.target.value))}
            />
          )}
        </Field>
        <Field label={t("runAt")} hint={t("runAtHint")}>
          {(ids) => (
            <Input
              {...ids}
              type="datetime-local"
              value={runAt}
              onChange={(event) => setRunAt(event.target.value)}
            />
          )}
        </Field>
      </div>
      {error && problems.size === 0 ? <ErrorState error={error} /> : null}
      <footer className="flex flex-wrap items-center gap-3">
        <FormCost type={type} count={1} />
        <span className="ml-auto flex gap-2">
          <CopyAs request={{ ...request, params: cleaned }} />
          <Button type="submit" look="primary" size="large" busy={isSending}>
            <Play aria-hidden /> {t("submit")}
          </Button>
        </span>
      </footer>
    </form>
  );
}

/** Send once: the same request keeps its key, so that trying again makes no second job. */
function useSending(onSent: () => void) {
  const data = useOwnData();
  const router = useRouter();
  const [error, setError] = useState<unknown>();
  const [isSending, setSending] = useState(false);
  const last = useRef({ text: "", key: "" });
  async function send(request: JobRequest) {
    const text = JSON.stringify(request);
    if (last.current.text !== text) last.current = { text, key: crypto.randomUUID() };
    setSending(true);
    setError(undefined);
    try {
      const id = await submitJob(data, request, last.current.key);
      onSent();
      router.push(`/jobs/${id}`);
    } catch (caught) {
      setError(caught);
      setSending(false);
    }
  }
  return { send, error, isSending };
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
      const name = pointer.match(/^\/params\/([^/]+)/)?.[1];
      if (name) problems.set(name, detail);
    }
  }
  if (!isTried) return problems;
  for (const field of fields) {
    const problem = checkField(field, params[field.name]);
    if (problem) problems.set(field.name, print(problem));
  }
  return problems;
}

interface FieldsProps {
  readonly fields: readonly FormField[];
  readonly params: Params;
  readonly problems: ReadonlyMap<string, string>;
  readonly onEdit: (params: Params) => void;
}

const SHOWN_OPTIONS = 2;

function Fields({ fields, params, problems, onEdit }: FieldsProps) {
  const t = useStrings(formStrings);
  const isShownFirst = (field: FormField, at: number) =>
    field.isRequired || params[field.name] !== undefined || at < SHOWN_OPTIONS;
  const first = fields.filter(isShownFirst);
  const rest = fields.filter((field, at) => !isShownFirst(field, at));
  const draw = (field: FormField) => (
    <ParamField
      key={field.name}
      field={field}
      value={params[field.name]}
      error={problems.get(field.name)}
      onChange={(value) => onEdit({ ...params, [field.name]: value })}
    />
  );
  return (
    <div className="grid gap-4">
      {first.map(draw)}
      {rest.length > 0 ? (
        <details open={rest.some((field) => problems.has(field.name)) || undefined}>
          <summary className="w-fit cursor-pointer font-medium text-fg-2 text-sm hover:text-fg">
            {t("optional", { count: rest.length })}
          </summary>
          <div className="mt-4 grid gap-4 tablet:grid-cols-2">{rest.map(draw)}</div>
        </details>
      ) : null}
    </div>
  );
}

function JsonParams({ params, onEdit }: { params: Params; onEdit: (params: Params) => void }) {
  const t = useStrings(formStrings);
  const tField = useStrings(fieldStrings);
  const [text, setText] = useState(() => JSON.stringify(cleanParams(params), undefined, 2));
  const [isBroken, setBroken] = useState(false);
  function change(next: string) {
    setText(next);
    try {
      const value: unknown = JSON.parse(next);
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
      setBroken(!isObject);
      if (isObject) onEdit(value as Params);
    } catch {
      setBroken(true);
    }
  }
  return (
    <Field label={t("parameters")} {...(isBroken && { error: tField("err_not_json") })}>
      {(ids) => (
        <TextArea
          {...ids}
          rows={14}
          spellCheck={false}
          value={text}
          onChange={(event) => change(event.target.value)}
        />
      )}
    </Field>
  );
}
