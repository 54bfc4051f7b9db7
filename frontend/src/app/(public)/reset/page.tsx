import type { Metadata } from "next";
import { LinkForm } from "@/features/auth/components/link-form";
import { serverConfig } from "@/lib/config/server";
import { serverStrings } from "@/lib/i18n/server";
import { authStrings } from "@/lib/i18n/strings/auth";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(authStrings))("recoveryTitle") };
}

export default async function ResetPage() {
  const t = await serverStrings(authStrings);
  const { ENVIRONMENT, SUPABASE_URL } = serverConfig();
  return (
    <>
      <h1 className="mb-2">{t("recoveryTitle")}</h1>
      <p className="mb-5 text-fg-2">{t("recoveryAbout")}</p>
      <LinkForm
        kind="recovery"
        outbox={ENVIRONMENT === "local" ? `${SUPABASE_URL}/auth/v1/outbox` : null}
      />
    </>
  );
}
