"""Reads each customer's numbers in the database and at Stripe, and prints them side by side."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from msaas.cli.audit.customers import CustomerUsage, has_problems, read_customers
from msaas.cli.audit.stripe_sums import open_sums

MAX_CUSTOMERS: Final = 20
_LOOKS: Final = 3
_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class CustomerAudit:
    customers: Sequence[CustomerUsage]
    is_stripe_read: bool

    @property
    def has_problems(self) -> bool:
        return has_problems(self.customers)

    @property
    def is_settled(self) -> bool:
        """Whether the four numbers of every customer are equal."""
        return self.is_stripe_read and all(each.is_equal for each in self.customers)


async def audit_customers(url: str, stripe: tuple[str, str] | None) -> CustomerAudit:
    """Compare; what differs is looked at again, for usage goes on between the two reads."""
    for _ in range(_LOOKS - 1):
        found = await _look(url, stripe)
        if not found.has_problems:
            return found
        await asyncio.sleep(_PAUSE)
    return await _look(url, stripe)


async def _look(url: str, stripe: tuple[str, str] | None) -> CustomerAudit:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            customers = await read_customers(connection)
    finally:
        await connection.close()
    if stripe is None or not customers:
        return CustomerAudit(customers, is_stripe_read=stripe is not None)
    async with open_sums(*stripe) as sums:
        read = await asyncio.gather(*(sums.add_to(each) for each in customers))
    return CustomerAudit(read, is_stripe_read=True)


def format_customers(audit: CustomerAudit) -> Iterator[str]:
    """Print every customer with a problem, and the first of the others."""
    if not audit.customers:
        return
    yield "completed jobs = usage events = units in reports = units at Stripe, by customer"
    problematic = [each for each in audit.customers if any(each.list_problems())]
    others = [each for each in audit.customers if not any(each.list_problems())]
    for customer in (*problematic, *others[:MAX_CUSTOMERS]):
        yield _format(customer)
    if (more := len(others) - MAX_CUSTOMERS) > 0:
        yield f"  and {more:,} more without a problem"
    if not audit.is_stripe_read:
        yield "  Stripe was not read: set STRIPE_API_KEY, or start the stand-in with `./msaas up`"


def _format(customer: CustomerUsage) -> str:
    numbers = (customer.completed, customer.events, customer.reported, customer.at_stripe)
    shown = " = ".join("-" if each is None else f"{each:,}" for each in numbers)
    problems = list(customer.list_problems())
    if problems or customer.is_in_flight:
        shown = shown.replace("=", "|")
    on_its_way = "" if problems or not customer.is_in_flight else "  on its way"
    lines = [f"{'✗' if problems else '✓'} {customer.account_id}  {shown}{on_its_way}"]
    return "\n".join([*lines, *(f"  {problem}" for problem in problems)])
