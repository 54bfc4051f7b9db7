import type { Metadata } from "next";
import { NewRunPage } from "@/features/agents/components/new-run-page";
import { agentStrings } from "@/features/agents/strings";
import { serverStrings } from "@/lib/i18n/server";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(agentStrings))("newRun") };
}

export default function Page() {
  return <NewRunPage />;
}
