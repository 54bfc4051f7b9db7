import type { Metadata } from "next";
import { RunPage } from "@/features/agents/components/run-page";
import { agentStrings } from "@/features/agents/strings";
import { serverStrings } from "@/lib/i18n/server";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(agentStrings))("run") };
}

export default async function Page({ params }: PageProps<"/agents/[id]">) {
  const { id } = await params;
  return <RunPage key={id} id={id} />;
}
