"use client";

import {
  ChevronDown,
  ChevronRight,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  Download,
  ShieldCheck,
} from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { saveFile } from "@/lib/files";
import { formatDate, formatDay } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { formatMoney } from "@/lib/money";
import { useAction } from "@/lib/use-action";
import { Button } from "@/ui/button";
import { Card, CardHead } from "@/ui/card";
import { ErrorState } from "@/ui/error-state";
import { InlineError } from "@/ui/inline-error";
import { Bone, TableSkeleton } from "@/ui/skeleton";
import { Table, Td, Th, Tr } from "@/ui/table";
import { type InvoiceSummary, readProof, useInvoices } from "../invoice-queries";
import { invoiceStrings } from "../invoice-strings";
import type { Outcome } from "../verify";

const InvoiceDetails = lazy(async () => ({
  default: (await import("./invoice-details")).InvoiceDetails,
}));
const ProofOutcome = lazy(async () => ({
  default: (await import("./proof-outcome")).ProofOutcome,
}));

const COLUMNS = 6;
const STATES = {
  draft: [CircleDashed, "text-fg-3"],
  open: [CircleAlert, "text-need"],
  paid: [CircleCheck, "text-ok"],
  uncollectible: [CircleAlert, "text-bad"],
  void: [CircleDashed, "text-fg-3"],
} as const;

function isKnown(status: string): status is keyof typeof STATES {
  return status in STATES;
}

export function Invoices() {
  const t = useStrings(invoiceStrings);
  const { first, items, hasMore, more, busy, error } = useInvoices();
  const head = (
    <CardHead title={t("title")}>
      <span className="text-fg-3 text-sm">{t("about")}</span>
    </CardHead>
  );
  if (!first.data) {
    return first.error ? (
      <ErrorState error={first.error} onRetry={() => void first.reload()} />
    ) : (
      <TableSkeleton rows={3} label={t("loading")} />
    );
  }
  if (items.length === 0) {
    return (
      <Card>
        {head}
        <p className="p-4 text-fg-2">{t("none")}</p>
      </Card>
    );
  }
  return (
    <div className="grid gap-3">
      <Card>{head}</Card>
      <Table label={t("title")}>
        <thead>
          <tr>
            <Th>{t("number")}</Th>
            <Th>{t("date")}</Th>
            <Th>{t("period")}</Th>
            <Th right>{t("amount")}</Th>
            <Th>{t("status")}</Th>
            <Th right>{t("proof")}</Th>
          </tr>
        </thead>
        <tbody>
          {items.map((invoice) => (
            <InvoiceRow key={invoice.id} invoice={invoice} />
          ))}
        </tbody>
      </Table>
      <InlineError error={error} />
      {hasMore ? (
        <Button className="justify-self-start" busy={busy} onClick={more}>
          {t("older")}
        </Button>
      ) : null}
    </div>
  );
}

function InvoiceRow({ invoice }: { invoice: InvoiceSummary }) {
  const t = useStrings(invoiceStrings);
  const locale = useLocale();
  const [isOpen, setOpen] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const name = invoice.number ?? invoice.id;
  const verify = useAction(async () => {
    setOutcome(null);
    const [proof, { verifyProof }] = await Promise.all([
      readProof(invoice.id),
      import("../verify"),
    ]);
    setOutcome(await verifyProof(await proof.text()));
  });
  const download = useAction(async () => {
    saveFile(`proof-${name}.json`, await readProof(invoice.id));
  });
  const refusal = verify.error ?? download.error;
  return (
    <>
      <Tr>
        <Td>
          <Button
            look="ghost"
            size="small"
            aria-expanded={isOpen}
            aria-label={t(isOpen ? "hide" : "show", { number: name })}
            onClick={() => setOpen(!isOpen)}
          >
            {isOpen ? <ChevronDown aria-hidden /> : <ChevronRight aria-hidden />}
            <span className="font-mono">{name}</span>
          </Button>
        </Td>
        <Td>{formatDate(locale, invoice.finalized_at ?? invoice.created_at)}</Td>
        <Td className="text-fg-2">
          {formatDay(locale, invoice.period_start)} – {formatDate(locale, invoice.period_end)}
        </Td>
        <Td right className="font-medium">
          {formatMoney(locale, invoice.total, invoice.currency)}
        </Td>
        <Td>
          <InvoiceState status={invoice.status} />
        </Td>
        <Td right>
          {invoice.has_proof ? (
            <span className="inline-flex gap-1">
              <Button
                size="small"
                busy={verify.busy}
                aria-label={t("verifyOf", { number: name })}
                onClick={() => void verify.act()}
              >
                <ShieldCheck aria-hidden /> {t("verify")}
              </Button>
              <Button
                look="ghost"
                size="small"
                square
                busy={download.busy}
                aria-label={t("download", { number: name })}
                onClick={() => void download.act()}
              >
                <Download aria-hidden />
              </Button>
            </span>
          ) : (
            <span className="text-fg-3">{t("noProof")}</span>
          )}
        </Td>
      </Tr>
      {isOpen || outcome || refusal ? (
        <tr>
          <Td colSpan={COLUMNS} className="!h-auto py-3">
            <div className="grid gap-3">
              <Suspense fallback={<Bone className="w-56" />}>
                <InlineError error={refusal} />
                {outcome ? <ProofOutcome outcome={outcome} /> : null}
                {isOpen ? <InvoiceDetails id={invoice.id} name={name} /> : null}
              </Suspense>
            </div>
          </Td>
        </tr>
      ) : null}
    </>
  );
}

function InvoiceState({ status }: { status: string }) {
  const t = useStrings(invoiceStrings);
  if (!isKnown(status)) return status;
  const [Icon, tone] = STATES[status];
  return (
    <span className="inline-flex items-center gap-1.5">
      <Icon aria-hidden className={`size-4 ${tone}`} /> {t(status)}
    </span>
  );
}
