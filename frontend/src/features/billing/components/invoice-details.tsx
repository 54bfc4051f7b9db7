"use client";

import Link from "next/link";
import { formatMoment, formatNumber } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { formatMoney } from "@/lib/money";
import { Button } from "@/ui/button";
import { ErrorState } from "@/ui/error-state";
import { ShortId } from "@/ui/id";
import { InlineError } from "@/ui/inline-error";
import { Bone } from "@/ui/skeleton";
import { Table, Td, Th, Tr } from "@/ui/table";
import { type Invoice, type InvoiceJob, type InvoiceLine, useInvoice } from "../invoice-queries";
import { invoiceStrings } from "../invoice-strings";
import { isWebAddress } from "../model";

/** The lines of an invoice, and the jobs behind them page by page. */
export function InvoiceDetails({ id, name }: { id: string; name: string }) {
  const t = useStrings(invoiceStrings);
  const { invoice, jobs } = useInvoice(id);
  const { data, error } = invoice;
  if (!data) {
    if (error) return <ErrorState error={error} onRetry={() => void invoice.reload()} />;
    return <Bone className="w-56" />;
  }
  return (
    <div className="grid gap-3">
      <Lines invoice={data} name={name} />
      {jobs.items.length > 0 ? (
        <Jobs items={jobs.items} lines={data.lines} name={name} />
      ) : (
        <p className="text-fg-2">{t("noJobs")}</p>
      )}
      <InlineError error={jobs.error} />
      <div className="flex flex-wrap gap-2">
        {jobs.hasMore ? (
          <Button size="small" busy={jobs.busy} onClick={jobs.more}>
            {t("moreJobs")}
          </Button>
        ) : null}
        <PayLink invoice={data} />
      </div>
    </div>
  );
}

function PayLink({ invoice }: { invoice: Invoice }) {
  const t = useStrings(invoiceStrings);
  const { status, hosted_invoice_url: url } = invoice;
  if (status !== "open" || !url || !isWebAddress(url)) return null;
  return (
    <Button size="small" asChild>
      <a href={url} rel="noreferrer">
        {t("pay")}
      </a>
    </Button>
  );
}

function Lines({ invoice, name }: { invoice: Invoice; name: string }) {
  const t = useStrings(invoiceStrings);
  const locale = useLocale();
  const money = (amount: number | string) => formatMoney(locale, amount, invoice.currency);
  return (
    <Table label={t("lines", { number: name })}>
      <thead>
        <tr>
          <Th>{t("line")}</Th>
          <Th right>{t("quantity")}</Th>
          <Th right>{t("unitPrice")}</Th>
          <Th right>{t("amount")}</Th>
        </tr>
      </thead>
      <tbody>
        {invoice.lines.map((line) => (
          <Tr key={line.id}>
            <Td className="!whitespace-normal">{line.description ?? line.id}</Td>
            <Td right>{line.quantity === null ? "–" : formatNumber(locale, line.quantity)}</Td>
            <Td right>{line.unit_amount === null ? "–" : money(line.unit_amount)}</Td>
            <Td right>{money(line.amount)}</Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}

function Jobs({
  items,
  lines,
  name,
}: {
  items: readonly InvoiceJob[];
  lines: readonly InvoiceLine[];
  name: string;
}) {
  const t = useStrings(invoiceStrings);
  const locale = useLocale();
  const names = new Map(lines.map((line) => [line.id, line.description ?? line.id]));
  return (
    <Table label={t("jobsOf", { number: name })}>
      <thead>
        <tr>
          <Th>{t("job")}</Th>
          <Th>{t("completed")}</Th>
          <Th>{t("line")}</Th>
          <Th right>{t("quantity")}</Th>
          <Th right>{t("entry")}</Th>
        </tr>
      </thead>
      <tbody>
        {items.map(({ line_id, job_id, quantity, occurred_at, seq }) => (
          <Tr key={`${line_id} ${seq}`}>
            <Td>
              <Link href={`/jobs/${job_id}`} className="text-accent underline">
                <ShortId id={job_id} bare />
              </Link>
            </Td>
            <Td>{formatMoment(locale, occurred_at)}</Td>
            <Td className="!whitespace-normal">{names.get(line_id) ?? line_id}</Td>
            <Td right>{formatNumber(locale, quantity)}</Td>
            <Td right>{formatNumber(locale, seq)}</Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
