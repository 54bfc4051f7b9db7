"use client";

import { WifiOff } from "lucide-react";
import Link from "next/link";
import { useEffect, useState, useSyncExternalStore } from "react";
import { useAccount, useConfig } from "@/lib/auth/provider";
import { formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { shellStrings } from "@/lib/i18n/strings/shell";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";

function useOnline(): boolean {
  return useSyncExternalStore(
    (listener) => {
      window.addEventListener("online", listener);
      window.addEventListener("offline", listener);
      return () => {
        window.removeEventListener("online", listener);
        window.removeEventListener("offline", listener);
      };
    },
    () => navigator.onLine,
    () => true,
  );
}

/** Whether the server runs another release than this page; asked when the page is shown again. */
function useNewVersion(): boolean {
  const { release } = useConfig();
  const [other, setOther] = useState(false);
  useEffect(() => {
    async function check() {
      if (document.visibilityState !== "visible") return;
      try {
        const answer = await fetch("/api/health", { cache: "no-store" });
        const body: unknown = await answer.json();
        const found =
          typeof body === "object" && body !== null && "release" in body ? body.release : release;
        setOther(found !== release);
      } catch {
        // Offline: the other notice says so.
      }
    }
    document.addEventListener("visibilitychange", check);
    return () => document.removeEventListener("visibilitychange", check);
  }, [release]);
  return other;
}

/** What stands above every page: offline, a new version, the limit of the plan. */
export function Notices() {
  const t = useStrings(shellStrings);
  const locale = useLocale();
  const online = useOnline();
  const newVersion = useNewVersion();
  const { usage } = useAccount();
  const limit = usage?.jobs_limit ?? null;
  const used = usage ? usage.jobs_used + usage.jobs_reserved : 0;
  const share = limit === null ? 0 : limit > 0 ? used / limit : 1;
  const date = usage ? formatMoment(locale, usage.period_end).replace(" UTC", "") : "";
  if (online && !newVersion && share < 0.8) return null;
  return (
    <div className="grid gap-2 px-4 pt-4 tablet:px-6">
      {online ? null : (
        <Banner icon={WifiOff} title={t("offline")}>
          {t("offlineDetail")}
        </Banner>
      )}
      {newVersion ? (
        <Banner
          title={t("newVersion")}
          action={<Button onClick={() => window.location.reload()}>{t("reload")}</Button>}
        />
      ) : null}
      {limit !== null && share >= 0.8 ? (
        <Banner
          tone={share >= 1 ? "bad" : "need"}
          title={t("overTitle", { used, limit })}
          action={
            <Button asChild>
              <Link href="/billing#plans">{t("toBilling")}</Link>
            </Button>
          }
        >
          {t(share >= 1 ? "overDetail" : "nearDetail", { date })}
        </Banner>
      ) : null}
    </div>
  );
}
