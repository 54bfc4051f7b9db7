import type { Metadata } from "next";
import { RunsPage } from "@/features/agents/components/runs-page";
import { agentStrings } from "@/features/agents/strings";
import { serverStrings } from "@/lib/i18n/server";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(agentStrings))("title") };
}

export default function Page() {
  return <RunsPage />;
}
