import type { Metadata } from "next";
import { BillingPage } from "@/features/billing/components/billing-page";
import { billingStrings } from "@/features/billing/strings";
import { serverStrings } from "@/lib/i18n/server";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(billingStrings))("title") };
}

export default async function Page({ searchParams }: PageProps<"/billing">) {
  const { checkout } = await searchParams;
  return (
    <BillingPage
      checkout={checkout === "completed" || checkout === "cancelled" ? checkout : null}
    />
  );
}
