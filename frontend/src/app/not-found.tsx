import { SearchX } from "lucide-react";
import Link from "next/link";
import { serverStrings } from "@/lib/i18n/server";
import { errorStrings } from "@/lib/i18n/strings/errors";
import { Button } from "@/ui/button";
import { StatePanel } from "@/ui/states";

export default async function NotFound() {
  const t = await serverStrings(errorStrings);
  return (
    <main className="mx-auto grid min-h-dvh max-w-[640px] content-center p-4">
      <StatePanel
        icon={SearchX}
        title={t("notFoundTitle")}
        actions={
          <Button asChild>
            <Link href="/jobs">{t("toJobs")}</Link>
          </Button>
        }
      >
        <p>{t("notFoundCause")}</p>
      </StatePanel>
    </main>
  );
}
