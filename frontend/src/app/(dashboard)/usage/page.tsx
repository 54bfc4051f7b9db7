import type { Metadata } from "next";
import { UsagePage } from "@/features/usage/components/usage-page";
import { serverStrings } from "@/lib/i18n/server";
import { usageStrings } from "@/lib/i18n/strings/usage";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(usageStrings))("title") };
}

export default function Page() {
  return <UsagePage />;
}
