"use client";

import { Lock } from "lucide-react";
import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { useIsOperator } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { operatorStrings } from "@/lib/i18n/strings/operator";
import { Page } from "@/ui/page";
import { Segmented } from "@/ui/segmented";
import { StatePanel } from "@/ui/states";
import { Audit } from "./audit";
import { Flags } from "./flags";
import { Health } from "./health";
import { Letters } from "./letters";
import { Users } from "./users";

const VIEWS = ["health", "deadLetters", "flags", "users", "audit"] as const;
type View = (typeof VIEWS)[number];

export function OperatorPage() {
  const t = useStrings(operatorStrings);
  const operator = useIsOperator();
  const router = useRouter();
  const pathname = usePathname();
  const given = useSearchParams().get("view");
  const view = VIEWS.find((each) => each === given) ?? "health";
  if (!operator) {
    return (
      <Page title={t("title")}>
        <StatePanel icon={Lock} title={t("forbiddenTitle")}>
          <p>{t("forbiddenAbout")}</p>
        </StatePanel>
      </Page>
    );
  }
  return (
    <Page
      title={t("title")}
      actions={
        <Segmented<View>
          label={t("view")}
          value={view}
          onChange={(next) => router.replace(`${pathname}?view=${next}`)}
          options={VIEWS.map((value) => ({ value, label: t(value) }))}
        />
      }
    >
      {view === "health" ? <Health /> : null}
      {view === "deadLetters" ? <Letters /> : null}
      {view === "flags" ? <Flags /> : null}
      {view === "users" ? <Users /> : null}
      {view === "audit" ? <Audit /> : null}
    </Page>
  );
}
