import type { Metadata } from "next";
import { LinkForm } from "@/features/auth/components/link-form";
import { serverConfig } from "@/lib/config/server";
import { serverStrings } from "@/lib/i18n/server";
import { authStrings } from "@/lib/i18n/strings/auth";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(authStrings))("linkTitle") };
}

export default async function LinkPage() {
  const t = await serverStrings(authStrings);
  const { ENVIRONMENT, SUPABASE_URL } = serverConfig();
  return (
    <>
      <h1 className="mb-2">{t("linkTitle")}</h1>
      <p className="mb-5 text-fg-2">{t("linkAbout")}</p>
      <LinkForm
        kind="link"
        outbox={ENVIRONMENT === "local" ? `${SUPABASE_URL}/auth/v1/outbox` : null}
      />
    </>
  );
}
