"use client";

import { useState } from "react";
import { api, read } from "@/lib/api/client";
import { useAccount } from "@/lib/auth/provider";
import { formatDate } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { settingsStrings } from "@/lib/i18n/strings/settings";
import { PLAN_NAMES } from "@/lib/plans";
import { useAction } from "@/lib/use-action";
import { Button } from "@/ui/button";
import { Card, CardHead, Facts } from "@/ui/card";
import { Field, Input } from "@/ui/field";
import { ShortId } from "@/ui/id";
import { InlineError } from "@/ui/inline-error";

const LONGEST_NAME = 80;

export function Profile() {
  const t = useStrings(settingsStrings);
  const locale = useLocale();
  const { id, email, display_name, plan, role, created_at, reload } = useAccount();
  const [name, setName] = useState(display_name ?? "");
  const { act, busy, error } = useAction(async () => {
    await read(api.PATCH("/me", { body: { display_name: name.trim() || null } }));
    reload();
  });
  return (
    <Card>
      <CardHead title={t("profile")} />
      <div className="grid gap-4 p-4">
        <form
          className="flex items-end gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            void act();
          }}
        >
          <div className="min-w-0 flex-1">
            <Field label={t("name")}>
              {(ids) => (
                <Input
                  {...ids}
                  value={name}
                  maxLength={LONGEST_NAME}
                  autoComplete="name"
                  onChange={(event) => setName(event.target.value)}
                />
              )}
            </Field>
          </div>
          <Button
            type="submit"
            busy={busy}
            disabled={name.trim() === (display_name ?? "")}
            className="!h-10 tablet:!h-9"
          >
            {t("save")}
          </Button>
        </form>
        <InlineError error={error} />
        <Facts
          items={[
            [t("email"), email ?? "–"],
            [t("plan"), PLAN_NAMES[plan]],
            [t("role"), t(role === "operator" ? "roleOperator" : "roleUser")],
            [t("since"), formatDate(locale, created_at)],
            [t("userId"), <ShortId key="id" id={id} />],
          ]}
        />
      </div>
    </Card>
  );
}
