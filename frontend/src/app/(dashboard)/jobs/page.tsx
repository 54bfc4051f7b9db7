import { Page } from "@/ui/page";

export default function JobsPage() {
  return <Page title="Jobs">{null}</Page>;
}
