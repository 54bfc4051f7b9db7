import type { Metadata } from "next";
import { SettingsPage } from "@/features/settings/components/settings-page";
import { serverStrings } from "@/lib/i18n/server";
import { settingsStrings } from "@/lib/i18n/strings/settings";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(settingsStrings))("title") };
}

export default function Page() {
  return <SettingsPage />;
}
