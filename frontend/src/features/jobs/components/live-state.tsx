"use client";

import { Pause, Play, RefreshCw, WifiOff } from "lucide-react";
import { formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { useOwnData, useOwnDataState } from "@/lib/store/provider";
import type { LinkState } from "@/lib/store/source";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { Kbd } from "@/ui/kbd";
import { jobStrings } from "../strings";
import type { HeldRows } from "../use-held-rows";
import { useNow } from "../use-now";

/** Whether the list follows, and the button that holds it. */
export function LiveState({ held }: { held: HeldRows }) {
  const t = useStrings(jobStrings);
  const { isPaused, heldChanges, togglePause } = held;
  return (
    <div className="ml-auto hidden shrink-0 items-center gap-2 text-fg-2 text-sm tablet:flex">
      <span role="status" className="inline-flex items-center gap-2">
        {isPaused ? (
          <>
            <Pause aria-hidden className="size-3.5 text-need" />
            {t("pausedAt", { count: heldChanges })}
          </>
        ) : (
          <LinkWords />
        )}
      </span>
      <Button look="ghost" size="small" aria-pressed={isPaused} onClick={togglePause}>
        {isPaused ? <Play aria-hidden /> : <Pause aria-hidden />}
        {isPaused ? t("resume") : t("pause")} <Kbd>P</Kbd>
      </Button>
    </div>
  );
}

function LinkWords() {
  const t = useStrings(jobStrings);
  const { link } = useOwnDataState();
  const isLive = link.kind === "live";
  return (
    <>
      <svg aria-hidden viewBox="0 0 14 14" className="size-3.5">
        <circle cx="7" cy="7" r="6.5" className={isLive ? "fill-ok-tint" : "fill-need-tint"} />
        <circle cx="7" cy="7" r="3.5" className={isLive ? "fill-ok" : "fill-need"} />
      </svg>
      {isLive ? t("live") : <Reconnecting link={link} />}
    </>
  );
}

function Reconnecting({ link }: { link: LinkState }) {
  const t = useStrings(jobStrings);
  const now = useNow();
  if (link.kind !== "waiting") return t("connecting");
  const seconds = Math.ceil((link.retryAt - now) / 1000);
  return seconds > 0 ? t("reconnectsIn", { seconds }) : t("connecting");
}

const TOLERATED_MS = 3_000;

/** Says that the rows are not current, and from when they are; the rows stay. */
export function ConnectionBanner() {
  const t = useStrings(jobStrings);
  const locale = useLocale();
  const now = useNow();
  const data = useOwnData();
  const { phase, lostSince, asOf, error } = useOwnDataState();
  const isLost = lostSince !== undefined && now - lostSince > TOLERATED_MS;
  if (phase === "empty" || !(isLost || error !== undefined)) return null;
  const time = formatMoment(locale, asOf || now);
  return (
    <Banner
      tone="need"
      icon={WifiOff}
      title={t(isLost ? "offlineTitle" : "staleTitle")}
      action={
        <Button size="small" onClick={() => data?.reconnect()}>
          <RefreshCw aria-hidden />
          {t("tryNow")}
        </Button>
      }
    >
      {t("offlineCause", { time })}
    </Banner>
  );
}
