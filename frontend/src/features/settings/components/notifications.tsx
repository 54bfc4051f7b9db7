"use client";

import { api, read } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import { useStrings } from "@/lib/i18n/provider";
import { settingsStrings } from "@/lib/i18n/strings/settings";
import { useResource } from "@/lib/resource";
import { useAction } from "@/lib/use-action";
import { Card, CardHead } from "@/ui/card";
import { ErrorState } from "@/ui/error-state";
import { Checkbox } from "@/ui/field";
import { InlineError } from "@/ui/inline-error";
import { TableSkeleton } from "@/ui/skeleton";

type Level = components["schemas"]["NotificationsRequest"]["quota"][number];
const LEVELS: readonly Level[] = [50, 80, 100];

/** At which shares of the quota the user hears about it. */
export function Notifications() {
  const t = useStrings(settingsStrings);
  const { data, error, reload } = useResource("me:notifications", (signal) =>
    read(api.GET("/me/notifications", { signal })),
  );
  const change = useAction(async (level: Level, on: boolean) => {
    const quota = LEVELS.filter((each) => (each === level ? on : data?.quota.includes(each)));
    await read(api.PUT("/me/notifications", { body: { quota } }));
    await reload();
  });
  if (!data) {
    return error ? (
      <ErrorState error={error} onRetry={() => void reload()} />
    ) : (
      <TableSkeleton rows={3} label={t("loading")} />
    );
  }
  return (
    <Card>
      <CardHead title={t("notifications")} />
      <fieldset className="grid gap-3 p-4">
        <legend className="sr-only">{t("notifications")}</legend>
        <p className="text-fg-2">{t("notificationsAbout")}</p>
        {LEVELS.map((level) => (
          <label key={level} className="flex items-center gap-2">
            <Checkbox
              checked={data.quota.includes(level)}
              disabled={change.busy}
              onChange={(event) => void change.act(level, event.target.checked)}
            />
            {t("atLevel", { level })}
          </label>
        ))}
        <InlineError error={change.error} />
      </fieldset>
    </Card>
  );
}
