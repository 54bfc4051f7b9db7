"""Compares every customer's usage and subscriptions with Stripe, and heals what it can prove.

A run goes through the accounts by their ids, a page after the other; each page is stored with the
position that it has reached, so that a run goes on where it was left, in whichever process.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from msaas.billing.application.metering_ports import Meter
from msaas.billing.application.ports import Accounts, Payments
from msaas.billing.application.reconciliation_ports import Customer, ReconciliationStore, Run
from msaas.billing.domain.catalogue import PriceList
from msaas.billing.domain.errors import StripeObjectMissing
from msaas.billing.domain.reconciliation import (
    Figures,
    Finding,
    FindingKind,
    Outcome,
    SentReport,
    Window,
    compare_subscriptions,
    explains_loss,
    judge,
    split_windows,
)
from msaas.telemetry import get_logger, span

PAGE_SIZE: Final = 100
CONCURRENT_CUSTOMERS: Final = 8
MAX_EVIDENCE: Final = 20
MAX_PROBES: Final = 500
"""A customer of whom more is lost is left to an operator."""


class ReconcileUsage:
    def __init__(
        self,
        store: ReconciliationStore,
        accounts: Accounts,
        payments: Payments,
        meter: Meter,
        *,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._payments = payments
        self._meter = meter
        self._page_size = page_size
        self._log = get_logger()

    async def begin(self, run_id: UUID, trigger: str) -> Run:
        return await self._store.begin(run_id, trigger)

    async def go_on(self, run: Run) -> Run | None:
        """Compare the next page; None where another process has.

        Raise where Stripe is unavailable: the page is left for another attempt.
        """
        customers = await self._store.list_customers(run.position, self._page_size)
        if not customers:
            await self._store.finish(run.id)
            return replace(run, is_running=False)
        with span("billing.reconcile", customers=len(customers)):
            findings = await self._compare(customers)
        position = customers[-1].account_id
        if not await self._store.store(run, position, len(customers), findings):
            return None
        for finding in findings:
            self._log.warning(
                "discrepancy_found",
                account_id=str(finding.account_id),
                kind=finding.kind,
                outcome=finding.outcome,
                healed=finding.is_healed,
            )
        subjects = await self._store.list_subjects([each.account_id for each in customers])
        return replace(run, position=position, subjects=tuple(subjects))

    async def _compare(self, customers: Sequence[Customer]) -> list[Finding]:
        now = await self._store.get_now()
        windows = {each.account_id: split_windows(each.boundaries, now) for each in customers}
        figures = await self._store.weigh(customers, windows)
        prices = await self._accounts.get_prices()
        slots = asyncio.Semaphore(CONCURRENT_CUSTOMERS)

        async def run(customer: Customer) -> list[Finding]:
            async with slots:
                return await self._compare_customer(customer, prices, windows, figures)

        found = await asyncio.gather(*map(run, customers))
        return [
            *await self._compare_counters(customers),
            *(finding for findings in found for finding in findings),
        ]

    async def _compare_counters(self, customers: Sequence[Customer]) -> list[Finding]:
        """Compare what jobs has said since the last run: each page asks for the next one."""
        counts = await self._store.list_counts([each.account_id for each in customers])
        return [
            Finding(
                account_id=each.account_id,
                kind=FindingKind.COUNTER,
                outcome=Outcome.INCONSISTENT,
                evidence={
                    "period_start": each.period_start.isoformat(),
                    "counted": each.counted,
                    "events": each.events,
                    "last_seq": each.last_seq,
                    "is_same_chain": each.is_same_chain,
                },
            )
            for each in counts
            if not each.is_equal
        ]

    async def _compare_customer(
        self,
        customer: Customer,
        prices: PriceList,
        windows: Mapping[UUID, Sequence[Window]],
        figures: Mapping[tuple[UUID, Window], Figures],
    ) -> list[Finding]:
        account_id = customer.account_id
        try:
            findings = await self._compare_subscriptions(customer, prices)
            for window in windows[account_id]:
                own = figures[account_id, window]
                findings += await self._compare_usage(customer, window, own)
        except StripeObjectMissing:
            evidence = {"customer": customer.customer_id, "at_stripe": None}
            return [
                Finding(
                    account_id=account_id,
                    kind=FindingKind.CUSTOMER,
                    outcome=Outcome.OURS_AHEAD,
                    evidence=evidence,
                )
            ]
        return findings

    async def _compare_subscriptions(self, customer: Customer, prices: PriceList) -> list[Finding]:
        """Compare with what is stored; another fetch heals what differs, for the later one wins."""
        found = await self._payments.list_subscriptions(customer.customer_id, prices)
        stored = await self._accounts.list_subscriptions(customer.account_id)
        if not (evidence := compare_subscriptions(stored, found)):
            return []
        return [
            Finding(
                account_id=customer.account_id,
                kind=FindingKind.SUBSCRIPTION,
                outcome=Outcome.STRIPE_AHEAD,
                evidence=evidence,
                is_healed=customer.user_id is not None,
            )
        ]

    async def _compare_usage(
        self, customer: Customer, window: Window, own: Figures
    ) -> list[Finding]:
        at_stripe = await self._meter.read_sum(customer.customer_id, window.start, window.end)
        figures = replace(own, at_stripe=at_stripe)
        outcome = judge(figures)
        if outcome in {Outcome.EQUAL, Outcome.IN_FLIGHT}:
            return []
        finding = Finding(
            account_id=customer.account_id,
            kind=FindingKind.USAGE,
            outcome=outcome,
            window=window,
            figures=figures,
        )
        return [await self._explain(customer, window, finding)]

    async def _explain(self, customer: Customer, window: Window, finding: Finding) -> Finding:
        """Name the days that differ, and the reports that Stripe lacks.

        They are sent again where they explain all that is missing, and no invoice has charged their
        time already.
        """
        sent = await self._store.list_sent(customer.account_id, window)
        days = await self._compare_days(customer, window, sent)
        evidence: dict[str, Any] = {
            "days": [[day.start.isoformat(), *units] for day, units in days.items()],
        }
        if finding.outcome is not Outcome.OURS_AHEAD or finding.figures is None:
            return replace(finding, evidence=evidence)
        short = [day for day, (ours, theirs) in days.items() if theirs < ours]
        lost = await self._find_lost(
            customer, [each for each in sent if any(each.window in day for day in short)]
        )
        missing = finding.figures.reported - finding.figures.at_stripe
        heals = explains_loss(lost, missing) and finding.figures.rejected == 0
        evidence |= {
            "missing": missing,
            "rejected": finding.figures.rejected,
            "lost": [each.identifier for each in lost][:MAX_EVIDENCE],
            "invoiced": [each.identifier for each in lost if each.is_invoiced][:MAX_EVIDENCE],
        }
        return replace(
            finding, evidence=evidence, lost=tuple(lost) if heals else (), is_healed=heals
        )

    async def _compare_days(
        self, customer: Customer, window: Window, sent: Sequence[SentReport]
    ) -> dict[Window, tuple[int, int]]:
        found: dict[Window, tuple[int, int]] = {}
        for day in window.split_days():
            ours = sum(report.quantity for report in sent if report.window in day)
            theirs = await self._meter.read_sum(customer.customer_id, day.start, day.end)
            if ours != theirs:
                found[day] = (ours, theirs)
        return found

    async def _find_lost(self, customer: Customer, sent: Sequence[SentReport]) -> list[SentReport]:
        """Return the reports in whose minute Stripe has nothing."""
        lost: list[SentReport] = []
        for report in sent[:MAX_PROBES]:
            at = report.window
            if not await self._meter.read_sum(customer.customer_id, at.start, at.end):
                lost.append(report)
        return lost
