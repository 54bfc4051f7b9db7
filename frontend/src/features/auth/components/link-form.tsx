"use client";

import Link from "next/link";
import { useActionState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { authStrings } from "@/lib/i18n/strings/auth";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";
import { type LinkState, sendLink } from "../actions";

const LINK = "text-accent underline underline-offset-3";
const EMPTY: LinkState = { message: null, email: "", sent: false };

/** Asks for a message with a link that signs in. On one machine the outbox stands for the mail. */
export function LinkForm({ kind, outbox }: { kind: "recovery" | "link"; outbox: string | null }) {
  const t = useStrings(authStrings);
  const [state, act, busy] = useActionState(sendLink, EMPTY);
  return (
    <>
      {state.sent ? (
        <div role="status" className="grid gap-3">
          <p>{t("sent", { email: state.email })}</p>
          {outbox ? (
            <p className="text-fg-2 text-sm">
              {t("outboxAbout")}{" "}
              <a className={LINK} href={outbox} target="_blank" rel="noreferrer">
                {t("outbox")}
              </a>
            </p>
          ) : null}
        </div>
      ) : (
        <form action={act} className="grid gap-4">
          <input type="hidden" name="kind" value={kind} />
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
          <p role="alert" className="text-bad text-sm empty:hidden">
            {state.message && !busy ? t(state.message) : ""}
          </p>
          <Button type="submit" look="primary" size="large" busy={busy}>
            {t("send")}
          </Button>
        </form>
      )}
      <p className="mt-5 text-fg-2 text-sm">
        <Link className={LINK} href="/login">
          {t("withPassword")}
        </Link>
      </p>
    </>
  );
}
