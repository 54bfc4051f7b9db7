"use client";

import { useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { fieldStrings } from "@/lib/i18n/strings/fields";
import type { FormField, ParamError } from "@/lib/schema-form";
import { Checkbox, Field, Input, Select, TextArea } from "./field";

interface ParamFieldProps {
  readonly field: FormField;
  readonly value: unknown;
  readonly error: string | undefined;
  readonly onChange: (value: unknown) => void;
}

/** One parameter, with the control that its schema asks for. */
export function ParamField({ field, value, error, onChange }: ParamFieldProps) {
  const t = useStrings(fieldStrings);
  const hint = useHint(field);
  const label = field.name.replaceAll("_", " ");
  if (field.kind === "boolean") {
    return (
      <label className="flex min-h-9 items-center gap-2 font-medium text-sm">
        <Checkbox
          checked={(value ?? field.initial) === true}
          onChange={(event) => onChange(event.target.checked)}
        />
        {label}
        {hint ? <span className="font-normal text-fg-3">{hint}</span> : null}
      </label>
    );
  }
  return (
    <Field label={field.isRequired ? `${label} *` : label} hint={hint} {...(error && { error })}>
      {(ids) => {
        switch (field.kind) {
          case "choice":
            return (
              <Select
                {...ids}
                value={String(value ?? "")}
                onChange={(event) => onChange(event.target.value || undefined)}
              >
                {field.isRequired ? null : <option value="">{t("unset")}</option>}
                {field.choices.map((choice) => (
                  <option key={choice}>{choice}</option>
                ))}
              </Select>
            );
          case "number":
            return (
              <Input
                {...ids}
                type="number"
                inputMode="numeric"
                value={typeof value === "number" ? value : ""}
                onChange={(event) =>
                  onChange(event.target.value === "" ? undefined : event.target.valueAsNumber)
                }
              />
            );
          case "lines":
            return (
              <TextArea
                {...ids}
                rows={2}
                value={Array.isArray(value) ? value.join("\n") : ""}
                onChange={(event) =>
                  onChange(event.target.value === "" ? undefined : event.target.value.split("\n"))
                }
              />
            );
          case "json":
            return <JsonField ids={ids} value={value} onChange={onChange} />;
          default:
            return (
              <Input
                {...ids}
                type={field.kind === "secret" ? "password" : field.kind === "url" ? "url" : "text"}
                autoComplete="off"
                spellCheck={false}
                placeholder={field.kind === "url" ? "https://example.com" : undefined}
                value={typeof value === "string" ? value : ""}
                onChange={(event) => onChange(event.target.value || undefined)}
              />
            );
        }
      }}
    </Field>
  );
}

function useHint(field: FormField): string | undefined {
  const t = useStrings(fieldStrings);
  if (field.kind === "secret") return t("secretHint");
  if (field.kind === "lines") return t("linesHint");
  if (field.description && field.description.length < 120) return field.description;
  if (field.kind === "json") return t("jsonHint");
  const { initial } = field;
  const isShown = initial !== undefined && initial !== "" && field.kind !== "boolean";
  return isShown ? t("default", { value: String(initial) }) : undefined;
}

interface JsonFieldProps {
  readonly ids: object;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

/** The text stays as it was typed; only valid JSON becomes a value. */
function JsonField({ ids, value, onChange }: JsonFieldProps) {
  const [text, setText] = useState(() => (value === undefined ? "" : print(value)));
  function change(next: string) {
    setText(next);
    if (next.trim() === "") return onChange(undefined);
    try {
      onChange(JSON.parse(next));
    } catch {
      onChange(next);
    }
  }
  return (
    <TextArea {...ids} rows={4} value={text} onChange={(event) => change(event.target.value)} />
  );
}

function print(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, undefined, 2);
}

export function useErrorText(): (error: ParamError) => string {
  const t = useStrings(fieldStrings);
  return (error) => t(`err_${error.code}`, "limit" in error ? { limit: error.limit } : {});
}
