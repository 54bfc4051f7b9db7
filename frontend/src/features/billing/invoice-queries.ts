import { useState } from "react";
import { api, read } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import { useUser } from "@/lib/auth/provider";
import { useResource } from "@/lib/resource";
import { useAction } from "@/lib/use-action";
import type { Plan } from "./model";

export type InvoiceSummary = components["schemas"]["InvoiceSummary"];
export type Invoice = components["schemas"]["Invoice"];
export type InvoiceLine = components["schemas"]["InvoiceLine"];
export type InvoiceJob = components["schemas"]["InvoiceJob"];
export type Preview = components["schemas"]["Preview"];

type Page<Item> = { items: Item[]; next_cursor: string | null };

const EVERY_MS = 15_000;
const PAGE = 50;

/** The pages that follow a first one, as far as they were asked for. */
function useFollowing<Item>(
  first: Page<Item> | undefined,
  load: (cursor: string) => Promise<Page<Item>>,
) {
  const [pages, setPages] = useState<Page<Item>[]>([]);
  const cursor = (pages.at(-1) ?? first)?.next_cursor ?? null;
  const { act, busy, error } = useAction(async () => {
    if (cursor === null) return;
    const page = await load(cursor);
    setPages((before) => [...before, page]);
  });
  const items = [first, ...pages].flatMap((page) => page?.items ?? []);
  return { items, hasMore: cursor !== null, more: () => void act(), busy, error };
}

export function useInvoices() {
  const { id } = useUser();
  const first = useResource(
    `invoices:${id}`,
    (signal) => read(api.GET("/billing/invoices", { signal })),
    { everyMs: EVERY_MS },
  );
  const following = useFollowing(first.data, (cursor) =>
    read(api.GET("/billing/invoices", { params: { query: { cursor } } })),
  );
  // A new invoice moves the first page on: what stands in two pages is shown once.
  const items = [...new Map(following.items.map((each) => [each.id, each])).values()];
  return { first, ...following, items };
}

export function useInvoice(invoice_id: string) {
  const invoice = useResource(`invoice:${invoice_id}`, (signal) =>
    read(api.GET("/billing/invoices/{invoice_id}", { params: { path: { invoice_id } }, signal })),
  );
  const jobs = useFollowing<InvoiceJob>(invoice.data?.jobs, (cursor) => {
    const params = { path: { invoice_id }, query: { cursor, limit: PAGE } };
    return read(api.GET("/billing/invoices/{invoice_id}/jobs", { params }));
  });
  return { invoice, jobs };
}

/** The proof as the file that it is: its bytes are what anyone can verify. */
export async function readProof(invoice_id: string): Promise<Blob> {
  const answer = api.GET("/billing/invoices/{invoice_id}/proof", {
    params: { path: { invoice_id } },
    parseAs: "blob",
  });
  return read(answer as Promise<{ data?: Blob }>);
}

/** What is charged next, or what a change to `plan` charges now; `state` renews it. */
export function usePreview(plan: Plan | null, state: string) {
  const { id } = useUser();
  return useResource(`preview:${id}:${plan}:${state}`, (signal) =>
    read(api.GET("/billing/preview", { params: { query: plan ? { plan } : {} }, signal })),
  );
}
