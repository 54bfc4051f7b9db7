"use client";

import { useStrings } from "@/lib/i18n/provider";
import { Button } from "@/ui/button";
import { Card, CardHead } from "@/ui/card";
import { billingStrings } from "../strings";

export function Invoices({
  isSubscribed,
  onPortal,
  isLeaving,
}: {
  isSubscribed: boolean;
  onPortal: () => void;
  isLeaving: boolean;
}) {
  const t = useStrings(billingStrings);
  return (
    <Card>
      <CardHead title={t("invoices")} />
      <div className="grid justify-items-start gap-3 p-4">
        <p className="text-fg-2">{t(isSubscribed ? "invoicesAbout" : "invoicesEmpty")}</p>
        {isSubscribed ? (
          <Button busy={isLeaving} onClick={onPortal}>
            {t("portal")}
          </Button>
        ) : null}
      </div>
    </Card>
  );
}
