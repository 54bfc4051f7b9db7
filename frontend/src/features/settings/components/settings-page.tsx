"use client";

import { useRouter } from "next/navigation";
import { useActionState, useState, useTransition } from "react";
import { useTheme } from "@/app/providers";
import { signOut } from "@/lib/auth/sign-out";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { rememberLocale } from "@/lib/i18n/remember";
import type { Locale } from "@/lib/i18n/strings";
import { authStrings } from "@/lib/i18n/strings/auth";
import { settingsStrings } from "@/lib/i18n/strings/settings";
import { setSingleKeys, singleKeysAreOn } from "@/lib/keyboard/use-keys";
import type { Theme } from "@/lib/theme";
import { Button } from "@/ui/button";
import { Card, CardHead } from "@/ui/card";
import { Field, Input } from "@/ui/field";
import { Page } from "@/ui/page";
import { Segmented } from "@/ui/segmented";
import { useToast } from "@/ui/toast";
import { changePassword, signOutOthers } from "../actions";
import { Notifications } from "./notifications";
import { Profile } from "./profile";

const MIN_PASSWORD = 8;

function Appearance() {
  const t = useStrings(settingsStrings);
  const locale = useLocale();
  const router = useRouter();
  const { theme, setTheme } = useTheme();
  const [keys, setKeys] = useState<"on" | "off">(() => (singleKeysAreOn() ? "on" : "off"));
  return (
    <Card>
      <CardHead title={t("appearance")} />
      <div className="grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-3 p-4">
        <span>{t("theme")}</span>
        <Segmented<Theme>
          label={t("theme")}
          value={theme}
          onChange={setTheme}
          options={[
            { value: "dark", label: t("dark") },
            { value: "light", label: t("light") },
          ]}
        />
        <span>{t("language")}</span>
        <Segmented<Locale>
          label={t("language")}
          value={locale}
          onChange={(next) => {
            rememberLocale(next);
            router.refresh();
          }}
          options={[
            { value: "en", label: "English" },
            { value: "de", label: "Deutsch" },
          ]}
        />
        <div>
          <span>{t("singleKeys")}</span>
          <p className="text-fg-3 text-sm">{t("singleKeysHint")}</p>
        </div>
        <Segmented
          label={t("singleKeys")}
          value={keys}
          onChange={(next) => {
            setSingleKeys(next === "on");
            setKeys(next);
          }}
          options={[
            { value: "on", label: t("on") },
            { value: "off", label: t("off") },
          ]}
        />
      </div>
    </Card>
  );
}

function Password() {
  const t = useStrings(settingsStrings);
  const tAuth = useStrings(authStrings);
  const [state, act, busy] = useActionState(changePassword, { message: null, done: false });
  const { message } = state;
  return (
    <Card>
      <CardHead title={t("password")} />
      <form action={act} className="grid gap-4 p-4">
        <Field label={t("newPassword")} hint={tAuth("passwordHint", { count: MIN_PASSWORD })}>
          {(ids) => (
            <Input
              {...ids}
              name="password"
              type="password"
              required
              minLength={MIN_PASSWORD}
              autoComplete="new-password"
            />
          )}
        </Field>
        <Field label={t("repeat")}>
          {(ids) => (
            <Input {...ids} name="repeat" type="password" required autoComplete="new-password" />
          )}
        </Field>
        <p role="alert" className="text-bad text-sm empty:hidden">
          {message && !busy ? (message === "different" ? t(message) : tAuth(message)) : ""}
        </p>
        <p role="status" className="text-ok text-sm empty:hidden">
          {state.done && !busy ? t("changed") : ""}
        </p>
        <Button type="submit" busy={busy} className="justify-self-start">
          {t("change")}
        </Button>
      </form>
    </Card>
  );
}

function Sessions() {
  const t = useStrings(settingsStrings);
  const tAuth = useStrings(authStrings);
  const toast = useToast();
  const [busy, start] = useTransition();
  return (
    <Card>
      <CardHead title={t("sessions")} />
      <div className="grid gap-4 p-4">
        <p className="text-fg-2">{t("sessionsAbout")}</p>
        <div className="flex flex-wrap gap-2">
          <Button
            busy={busy}
            onClick={() =>
              start(async () => {
                const ended = await signOutOthers().catch(() => false);
                toast({
                  title: ended ? t("signedOutOthers") : tAuth("unavailable"),
                  ...(ended ? {} : { tone: "bad" as const }),
                });
              })
            }
          >
            {t("signOutOthers")}
          </Button>
          <Button look="ghost" onClick={() => void signOut()}>
            {t("signOut")}
          </Button>
        </div>
      </div>
    </Card>
  );
}

export function SettingsPage() {
  const t = useStrings(settingsStrings);
  return (
    <Page title={t("title")}>
      <div className="grid items-start gap-4 wide:grid-cols-2">
        <div className="grid gap-4">
          <Profile />
          <Appearance />
        </div>
        <div className="grid gap-4">
          <Notifications />
          <Password />
          <Sessions />
        </div>
      </div>
    </Page>
  );
}
