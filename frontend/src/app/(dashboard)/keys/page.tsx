import type { Metadata } from "next";
import { KeysPage } from "@/features/keys/components/keys-page";
import { serverStrings } from "@/lib/i18n/server";
import { keyStrings } from "@/lib/i18n/strings/keys";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(keyStrings))("title") };
}

export default function Page() {
  return <KeysPage />;
}
