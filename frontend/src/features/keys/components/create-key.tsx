"use client";

import { type FormEvent, useId, useState } from "react";
import { useIsOperator } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { keyStrings } from "@/lib/i18n/strings/keys";
import { useAction } from "@/lib/use-action";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Checkbox, Field, Input, Select } from "@/ui/field";
import { InlineError } from "@/ui/inline-error";
import { expiryOf, type NewKey, type Scope, scopeLabel, scopesFor } from "../model";
import { createKey } from "../queries";

const LIFETIMES = ["7", "30", "90", "365"];

export function CreateKey({
  open,
  onClose,
  onCreated,
}: {
  open: boolean;
  onClose: () => void;
  onCreated: (key: NewKey) => void;
}) {
  const t = useStrings(keyStrings);
  const tCommon = useStrings(commonStrings);
  const operator = useIsOperator();
  const formId = useId();
  const [scopes, setScopes] = useState<readonly Scope[]>(["jobs:read", "jobs:write"]);
  const { act, busy, error, fields, clear } = useAction(async (form: FormData) => {
    const rate = Number(form.get("rate"));
    onCreated(
      await createKey({
        name: String(form.get("name")).trim(),
        scopes: [...scopes],
        expires_at: expiryOf(String(form.get("expires")), Date.now()),
        requests_per_minute: rate > 0 ? rate : null,
      }),
    );
  });

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (scopes.length > 0) void act(new FormData(event.currentTarget));
  }

  return (
    <Dialog
      open={open}
      onOpenChange={(next) => {
        if (!next) {
          clear();
          onClose();
        }
      }}
      title={t("createTitle")}
      description={t("createAbout")}
      actions={
        <>
          <Button onClick={onClose}>{tCommon("cancel")}</Button>
          <Button
            look="primary"
            type="submit"
            form={formId}
            busy={busy}
            disabled={scopes.length === 0}
          >
            {t("create")}
          </Button>
        </>
      }
    >
      <form id={formId} onSubmit={submit} className="grid gap-4">
        <Field label={t("name")} hint={t("nameHint")} error={fields.get("/name")}>
          {(ids) => <Input {...ids} name="name" required maxLength={100} autoComplete="off" />}
        </Field>
        <fieldset className="grid gap-2">
          <legend className="mb-1.5 font-medium text-sm">{t("scopes")}</legend>
          {scopesFor(operator).map((scope) => (
            <label key={scope} className="flex items-center gap-2">
              <Checkbox
                checked={scopes.includes(scope)}
                onChange={(event) =>
                  setScopes((before) =>
                    event.target.checked
                      ? [...before, scope]
                      : before.filter((each) => each !== scope),
                  )
                }
              />
              {t(scopeLabel(scope))}
              <code className="ml-auto font-mono text-fg-3 text-sm">{scope}</code>
            </label>
          ))}
          <p role="alert" className="text-bad text-sm empty:hidden">
            {scopes.length === 0 ? t("scopesMissing") : ""}
          </p>
        </fieldset>
        <div className="grid gap-4 tablet:grid-cols-2">
          <Field label={t("expires")} error={fields.get("/expires_at")}>
            {(ids) => (
              <Select {...ids} name="expires" defaultValue="90">
                {LIFETIMES.map((days) => (
                  <option key={days} value={days}>
                    {t("days", { count: Number(days) })}
                  </option>
                ))}
                <option value="">{t("never")}</option>
              </Select>
            )}
          </Field>
          <Field label={t("rate")} hint={t("rateHint")} error={fields.get("/requests_per_minute")}>
            {(ids) => <Input {...ids} name="rate" type="number" min={1} max={1000} />}
          </Field>
        </div>
        <InlineError error={fields.size > 0 ? null : error} />
      </form>
    </Dialog>
  );
}
