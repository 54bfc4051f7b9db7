import type { Metadata } from "next";
import { JobPage } from "@/features/jobs/components/job-page";

export const metadata: Metadata = { title: "Job" };

export default async function Page({ params }: PageProps<"/jobs/[id]">) {
  const { id } = await params;
  return <JobPage key={id} id={id} />;
}
