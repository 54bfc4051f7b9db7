"""`serve` and `cron` on real servers: from a webhook to the plan that other services get."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Self
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from services.billing.tests.conftest import RULES
from services.billing.tests.support import RETURN_URL, Billing

from msaas.billing.application.cron import BackfillTask, DueAccountsTask, DueEventsTask
from msaas.billing.application.ports import StripeEvent
from msaas.billing.bootstrap import Service, assemble, assemble_cron
from msaas.billing.settings import LOCAL_PROOF_KEY
from msaas.contracts import (
    ChangePlan,
    OpenCheckout,
    Plan,
    ReplayStripeEvent,
    SetSpendLimit,
    StripeEventReceived,
    SubscriptionChanged,
    decode,
    get_topic,
)
from msaas.kernel import RetryPolicy
from msaas.messaging import (
    CommandClient,
    CommandRefused,
    ConsumerTimings,
    Messenger,
    RedisBroker,
)
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, wait_until

TIMINGS = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.1,
    reclaim_after=0.5,
    drain_timeout=0.5,
    retry=RetryPolicy(base=0.01, cap=0.1),
)


class Fleet:
    """The processes of billing, and a gateway that sends commands and reads events."""

    def __init__(
        self,
        billing: Billing,
        redis_url: str,
        redis_url_for: Callable[[str], str],
        environment: str,
    ) -> None:
        self._url = redis_url
        self._billing = billing
        self._url_for = redis_url_for
        self._environment = environment
        self._stack = AsyncExitStack()
        self._running: list[tuple[asyncio.Event, asyncio.Task[None]]] = []
        self.reader = self.open_broker()
        self.gateway = self.open_messenger("gateway")
        self.commands: CommandClient = self.gateway.create_command_client()

    def open_broker(self, process: str | None = None) -> RedisBroker:
        """Connect as a process, or else as one that may read everything."""
        url = self._url_for(process) if process else self._url
        broker = RedisBroker(url, command_timeout=GENEROUS_TIMEOUT)
        self._stack.push_async_callback(broker.close)
        return broker

    def open_messenger(self, process: str) -> Messenger:
        metrics = Metrics(process, "test")
        broker = self.open_broker(process)
        return Messenger(broker, process, self._environment, metrics=metrics, timings=TIMINGS)

    def start_serve(self) -> None:
        metrics = Metrics("billing", "test")
        broker = self.open_broker("billing")
        parts = self._billing.parts
        service = assemble(
            *(parts, broker, self._environment, metrics),
            rules=RULES,
            proof_key=LOCAL_PROOF_KEY,
            timings=TIMINGS,
        )
        self._start(service)

    def start_cron(self) -> None:
        metrics = Metrics("billing-cron", "test")
        broker = self.open_broker("billing-cron")
        self._start(assemble_cron(self._billing.parts, broker, self._environment, metrics))

    def _start(self, service: Service) -> None:
        stop = asyncio.Event()
        self._running.append((stop, asyncio.create_task(service.run(stop))))

    async def __aenter__(self) -> Self:
        self._gateway_run = asyncio.create_task(self.gateway.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        for stop, task in self._running:
            stop.set()
            await task
        self.gateway.drain()
        await self._gateway_run
        await self._stack.aclose()

    async def list_changes(self, user_id: UUID) -> list[SubscriptionChanged]:
        """Read what jobs would get, in the order of the stream."""
        topic = get_topic("billing.events")
        key = topic.key(self._environment, "jobs")
        found = await self.reader.tail({key: "0-0"}, 10_000, 0)
        messages = [decode(topic, raw.fields).message for raw in found.get(key, ())]
        return [
            message
            for message in messages
            if isinstance(message, SubscriptionChanged) and message.user_id == user_id
        ]

    async def send_webhook(self, event: StripeEvent) -> None:
        await self.commands.call(
            "billing.webhooks",
            StripeEventReceived(
                event_id=event.id,
                event_type=event.type,
                created=event.created,
                livemode=event.livemode,
                api_version=event.api_version,
                object_id=event.object_id,
                customer_id=event.customer_id,
            ),
            ttl=GENEROUS_TIMEOUT,
            correlation_id=event.correlation_id,
        )


@pytest_asyncio.fixture
async def fleet(
    billing: Billing, redis_url: str, redis_url_for: Callable[[str], str], environment: str
) -> AsyncIterator[Fleet]:
    async with Fleet(billing, redis_url, redis_url_for, environment) as fleet:
        yield fleet


async def test_a_user_buys_changes_and_limits_a_plan_through_two_replicas(
    billing: Billing, fleet: Fleet
) -> None:
    fleet.start_serve()
    fleet.start_serve()
    user = await billing.add_user()

    async def call(command: OpenCheckout | ChangePlan | SetSpendLimit) -> dict[str, object]:
        reply = await fleet.commands.call(
            "billing.commands", command, ttl=GENEROUS_TIMEOUT, correlation_id="test"
        )
        return dict(reply.data)

    checkout = OpenCheckout(
        user_id=user, plan=Plan.PRO, idempotency_key=uuid4().hex, return_url=RETURN_URL
    )
    page = await call(checkout)
    assert await call(checkout) == page
    await billing.complete_checkout(user)
    account = await billing.get_account(user)
    for event in billing.list_events(str(account.customer_id)):
        await fleet.send_webhook(event)
        await fleet.send_webhook(event)

    async def has_plan() -> bool:
        changes = await fleet.list_changes(user)
        return bool(changes) and changes[-1].plan is Plan.PRO

    await wait_until(has_plan, timeout=GENEROUS_TIMEOUT)
    change = ChangePlan(user_id=user, plan=Plan.ENTERPRISE, idempotency_key=uuid4().hex)
    assert (await call(change))["change"] == "upgrade"
    assert (await call(change))["change"] == "upgrade"  # the first answer again
    await call(SetSpendLimit(user_id=user, amount=700, idempotency_key=uuid4().hex))
    changes = await fleet.list_changes(user)
    newest = max(changes, key=lambda each: each.version)
    assert (newest.plan, newest.jobs_limit, newest.spend_limit_jobs) == (
        Plan.ENTERPRISE,
        None,
        3_500,
    )
    with pytest.raises(CommandRefused) as refused:
        await call(checkout.model_copy(update={"idempotency_key": uuid4().hex}))
    assert refused.value.problem.code == "conflict"
    assert billing.stripe.violations == []


async def test_an_event_of_another_version_is_refused_and_an_unknown_one_cannot_be_replayed(
    billing: Billing, fleet: Fleet
) -> None:
    fleet.start_serve()
    user = await billing.add_user()
    account = await billing.subscribe(user)
    [event, *_] = billing.list_events(str(account.customer_id))
    codes: list[str] = []
    for changes in ({"api_version": "2020-08-27"}, {"livemode": True}):
        message = StripeEventReceived(
            event_id=f"evt_{uuid4().hex}",
            event_type=event.type,
            created=event.created,
            livemode=bool(changes.get("livemode", False)),
            api_version=str(changes.get("api_version", event.api_version)),
        )
        try:
            await fleet.commands.call(
                "billing.webhooks", message, ttl=GENEROUS_TIMEOUT, correlation_id="test"
            )
        except CommandRefused as refusal:
            codes.append(refusal.problem.code)
    try:
        replay = ReplayStripeEvent(event_id="evt_unknown")
        await fleet.commands.call(
            "billing.commands", replay, ttl=GENEROUS_TIMEOUT, correlation_id="test"
        )
    except CommandRefused as refusal:
        codes.append(refusal.problem.code)
    assert codes == ["malformed", "malformed", "not_found"]


async def test_two_crons_find_lost_webhooks_lost_messages_and_plans_that_ended(
    billing: Billing, fleet: Fleet
) -> None:
    """No webhook arrives, one stored event has lost its message, and one plan has run out."""
    stored, ended = await billing.add_user(), await billing.add_user()
    await billing.open_checkout(stored, Plan.PRO)
    await billing.complete_checkout(stored)
    await billing.subscribe(ended)
    await billing.rows.execute(
        "UPDATE billing.accounts SET next_look_at = now() - interval '1 s',"
        " period_start = now() - interval '2 s', period_end = now() - interval '1 s'"
        " WHERE user_id = $1",
        ended,
    )
    account = await billing.get_account(ended)
    [subscription] = await billing.parts.accounts.list_subscriptions(account.id)
    billing.sdk.v1.subscriptions.cancel(subscription.id)
    await billing.rows.execute("DELETE FROM billing.watermarks")
    fleet.start_serve()
    fleet.start_cron()
    fleet.start_cron()

    async def is_done() -> bool:
        bought, over = await billing.get_account(stored), await billing.get_account(ended)
        return bought.state.plan is Plan.PRO and over.state.plan is Plan.FREE

    await wait_until(is_done, timeout=GENEROUS_TIMEOUT)
    events = billing.list_events(str((await billing.get_account(stored)).customer_id))
    sources = await billing.rows.fetch(
        "SELECT DISTINCT source FROM billing.stripe_events WHERE event_id = ANY ($1)",
        [event.id for event in events],
    )
    assert [row["source"] for row in sources] == ["backfill"]


async def test_the_watermark_moves_only_when_nothing_was_missing(
    billing: Billing, fleet: Fleet
) -> None:
    user = await billing.add_user()
    await billing.open_checkout(user, Plan.PRO)
    await billing.rows.execute("DELETE FROM billing.watermarks")
    publisher = fleet.open_messenger("billing-cron").publisher
    parts = billing.parts
    step = BackfillTask(parts.inbox, parts.payments, publisher, Metrics("billing-cron", "test"))
    await step()
    assert await parts.inbox.get_watermark("backfill") is None
    await parts.inbox.store(billing.list_all_events())
    await step()
    assert await parts.inbox.get_watermark("backfill") is not None
    await DueEventsTask(parts.inbox, publisher)()
    await DueAccountsTask(parts.accounts, publisher)()
