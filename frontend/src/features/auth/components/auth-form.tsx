"use client";

import Link from "next/link";
import { useActionState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { authStrings } from "@/lib/i18n/strings/auth";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";
import { type FormState, signIn, signUp } from "../actions";

export const MIN_PASSWORD = 8;
const LINK = "text-accent underline underline-offset-3";
const EMPTY: FormState = { message: null, email: "", name: "" };

/** Signs in or up. It works before its script has arrived: the form posts to the action. */
export function AuthForm({
  kind,
  next,
  problem = null,
}: {
  kind: "signIn" | "signUp";
  next: string | null;
  problem?: FormState["message"];
}) {
  const t = useStrings(authStrings);
  const start = { ...EMPTY, message: problem };
  const [state, act, busy] = useActionState(kind === "signIn" ? signIn : signUp, start);
  const isNew = kind === "signUp";
  const query = next ? `?next=${encodeURIComponent(next)}` : "";
  return (
    <>
      <form action={act} className="grid gap-4">
        <input type="hidden" name="next" value={next ?? ""} />
        {isNew ? (
          <Field label={t("name")}>
            {(ids) => (
              <Input
                {...ids}
                name="name"
                autoComplete="name"
                maxLength={100}
                defaultValue={state.name}
              />
            )}
          </Field>
        ) : null}
        <Field label={t("email")}>
          {(ids) => (
            <Input
              {...ids}
              name="email"
              type="email"
              required
              autoComplete="username"
              defaultValue={state.email}
            />
          )}
        </Field>
        <Field
          label={t("password")}
          hint={isNew ? t("passwordHint", { count: MIN_PASSWORD }) : undefined}
        >
          {(ids) => (
            <Input
              {...ids}
              name="password"
              type="password"
              required
              minLength={isNew ? MIN_PASSWORD : undefined}
              autoComplete={isNew ? "new-password" : "current-password"}
            />
          )}
        </Field>
        <p role="alert" className="text-bad text-sm empty:hidden">
          {state.message && !busy ? t(state.message) : ""}
        </p>
        <Button type="submit" look="primary" size="large" busy={busy}>
          {t(isNew ? "signUp" : "signIn")}
        </Button>
      </form>
      {isNew ? null : (
        <p className="mt-5 flex justify-between gap-4 text-sm">
          <Link className={LINK} href="/reset">
            {t("forgotten")}
          </Link>
          <Link className={LINK} href="/link">
            {t("byLink")}
          </Link>
        </p>
      )}
      <p className="mt-5 text-fg-2 text-sm">
        {t(isNew ? "haveAccount" : "noAccount")}{" "}
        <Link className={LINK} href={isNew ? `/login${query}` : `/signup${query}`}>
          {t(isNew ? "signIn" : "signUp")}
        </Link>
      </p>
    </>
  );
}
