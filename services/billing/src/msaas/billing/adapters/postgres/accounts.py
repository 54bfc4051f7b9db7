"""Accounts and their subscriptions in Postgres; a fetch that began earlier never wins."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg

from msaas.billing.adapters.postgres import accounts_sql as sql
from msaas.billing.application.ports import AccountFetch
from msaas.billing.domain.accounts import Account, AccountState
from msaas.billing.domain.catalogue import Price, PriceKind, PriceList
from msaas.billing.domain.invoices import Invoice, InvoiceLine
from msaas.billing.domain.subscriptions import Subscription
from msaas.contracts import Plan
from msaas.kernel import new_id
from msaas.postgres import Database, DatabaseConnection

# Commands and events of one user may come at once; each holds the row for a few statements.
ROW_LOCK_TIMEOUT: Final = 5.0


class PostgresAccounts:
    def __init__(self, database: Database, *, livemode: bool) -> None:
        self._database = database
        self._livemode = livemode

    async def next_version(self) -> int:
        async with self._database.connection() as connection:
            version: int = await connection.fetchval("SELECT nextval('billing.fetch_versions')")
            return version

    async def get_prices(self) -> PriceList:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_PRICES, self._livemode)
        return PriceList({row["stripe_price_id"]: _read_price(row) for row in rows})

    async def find_portal_configuration(self) -> str | None:
        async with self._database.connection() as connection:
            found: str | None = await connection.fetchval(sql.FIND_PORTAL, self._livemode)
            return found

    async def ensure(self, user_id: UUID) -> Account | None:
        async with self._database.transaction() as connection:
            try:
                await connection.execute(sql.INSERT_ACCOUNT, new_id(), user_id, self._livemode)
            except asyncpg.ForeignKeyViolationError:
                return None
        return await self.find(user_id=user_id)

    async def find(
        self, *, user_id: UUID | None = None, customer_id: str | None = None
    ) -> Account | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(sql.FIND_ACCOUNT, user_id, customer_id)
        return _read_account(row) if row else None

    async def link_customer(self, account_id: UUID, customer_id: str) -> Account:
        async with self._database.transaction(lock_timeout=ROW_LOCK_TIMEOUT) as connection:
            await connection.execute(sql.LINK_CUSTOMER, account_id, customer_id)
            row = await connection.fetchrow(sql.GET_ACCOUNT, account_id)
        return _read_account(row)

    async def list_subscriptions(self, account_id: UUID) -> Sequence[Subscription]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_SUBSCRIPTIONS, account_id)
        return [_read_subscription(row) for row in rows]

    async def list_due(self, limit: int) -> Sequence[UUID]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_DUE, limit)
        return [row["user_id"] for row in rows]

    async def list_page(self, after: UUID | None, limit: int) -> Sequence[Account]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_PAGE, after or UUID(int=0), limit)
        return [_read_account(row) for row in rows]

    async def store_fetch(self, fetch: AccountFetch) -> Account:
        async with self._database.transaction(lock_timeout=ROW_LOCK_TIMEOUT) as connection:
            row = await connection.fetchrow(sql.LOCK_ACCOUNT, fetch.account_id)
            account = _read_account(row)
            # Later than any transaction that held the row before.
            now: datetime = await connection.fetchval("SELECT clock_timestamp()")
            if fetch.version > account.fetched_version:
                await self._store_subscriptions(connection, account, fetch)
                state = fetch.decide(account.state, fetch.subscriptions, now)
                await connection.execute(
                    sql.CHANGE_ACCOUNT,
                    account.id,
                    fetch.version,
                    state.plan,
                    state.status,
                    state.period_start,
                    state.period_end,
                    state.next_plan,
                    state.past_due_since,
                    state.next_look_at,
                )
            if fetch.is_disputed or fetch.is_customer_deleted:
                flags = (fetch.is_disputed, fetch.is_customer_deleted)
                await connection.execute(sql.FLAG_ACCOUNT, account.id, *flags)
            for invoice in fetch.invoices:
                await _store_invoice(connection, account, invoice, fetch.version)
            await connection.execute(sql.FINISH_EVENTS, list(fetch.event_ids))
            row = await connection.fetchrow(sql.GET_ACCOUNT, account.id)
        return _read_account(row)

    async def _store_subscriptions(
        self, connection: DatabaseConnection, account: Account, fetch: AccountFetch
    ) -> None:
        for each in fetch.subscriptions:
            await connection.execute(
                sql.STORE_SUBSCRIPTION,
                each.id,
                account.id,
                account.user_id,
                each.plan,
                each.status,
                each.period_start,
                each.period_end,
                each.cancel_at_period_end,
                each.cancel_at,
                each.canceled_at,
                each.ended_at,
                each.trial_end,
                each.collection_paused,
                each.plan_after_period,
                each.schedule_id,
                each.flat_item_id,
                each.flat_price_id,
                each.metered_item_id,
                each.metered_price_id,
                each.latest_invoice_id,
                each.started_at,
                fetch.version,
            )


async def _store_invoice(
    connection: DatabaseConnection, account: Account, invoice: Invoice, version: int
) -> None:
    """Store what an invoice is now, unless a later fetch has stored it already."""
    stored = await connection.fetchval(
        sql.STORE_INVOICE,
        invoice.id,
        account.id,
        account.user_id,
        invoice.subscription_id,
        invoice.number,
        invoice.status,
        invoice.currency,
        invoice.total,
        invoice.amount_due,
        invoice.amount_paid,
        invoice.amount_remaining,
        invoice.billing_reason,
        invoice.attempt_count,
        invoice.next_payment_attempt,
        invoice.period_start,
        invoice.period_end,
        invoice.finalized_at,
        invoice.paid_at,
        invoice.hosted_invoice_url,
        version,
        invoice.created_at,
    )
    if stored is None:
        return
    await connection.execute(
        "DELETE FROM billing.invoice_lines WHERE stripe_invoice_id = $1", stored
    )
    for line in invoice.lines:
        await connection.execute(sql.STORE_LINE, *_line_row(invoice.id, account, line))


def _line_row(invoice_id: str, account: Account, line: InvoiceLine) -> tuple[Any, ...]:
    return (
        invoice_id,
        line.id,
        account.user_id,
        line.description,
        line.amount,
        line.quantity,
        line.unit_amount,
        line.price_id,
        line.subscription_item_id,
        line.is_proration,
        line.period_start,
        line.period_end,
    )


def _read_account(row: Any) -> Account:
    state = AccountState(
        plan=Plan(row["plan"]),
        status=row["status"],
        period_start=row["period_start"],
        period_end=row["period_end"],
        next_plan=Plan(row["next_plan"]) if row["next_plan"] else None,
        past_due_since=row["past_due_since"],
        next_look_at=row["next_look_at"],
    )
    return Account(
        id=row["id"],
        user_id=row["user_id"],
        customer_id=row["stripe_customer_id"],
        state=state,
        fetched_version=row["fetched_version"],
        published_version=row["published_version"],
        disputed_at=row["disputed_at"],
        spend_limit=row["spend_limit"],
        unit_amount=row["unit_amount"],
    )


def _read_price(row: Any) -> Price:
    return Price(
        id=row["stripe_price_id"],
        plan=Plan(row["plan"]),
        kind=PriceKind(row["kind"]),
        lookup_key=row["lookup_key"],
        product_id=row["product_id"],
        currency=row["currency"],
        unit_amount=Decimal(row["unit_amount"]),
        interval=row["recurring_interval"],
        meter_id=row["meter_id"],
        is_offered=row["is_offered"],
    )


def _read_subscription(row: Any) -> Subscription:
    return Subscription(
        id=row["stripe_subscription_id"],
        plan=Plan(row["plan"]),
        status=row["status"],
        period_start=row["current_period_start"],
        period_end=row["current_period_end"],
        cancel_at_period_end=row["cancel_at_period_end"],
        cancel_at=row["cancel_at"],
        canceled_at=row["canceled_at"],
        ended_at=row["ended_at"],
        trial_end=row["trial_end"],
        collection_paused=row["collection_paused"],
        next_plan=Plan(row["next_plan"]) if row["next_plan"] else None,
        schedule_id=row["schedule_id"],
        flat_item_id=row["flat_item_id"],
        flat_price_id=row["flat_price_id"],
        metered_item_id=row["metered_item_id"],
        metered_price_id=row["metered_price_id"],
        latest_invoice_id=row["latest_invoice_id"],
        started_at=row["started_at"],
    )
