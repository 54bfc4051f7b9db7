import type { Metadata } from "next";
import { OperatorPage } from "@/features/operator/components/operator-page";
import { serverStrings } from "@/lib/i18n/server";
import { operatorStrings } from "@/lib/i18n/strings/operator";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(operatorStrings))("title") };
}

export default function Page() {
  return <OperatorPage />;
}
