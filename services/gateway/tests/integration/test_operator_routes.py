"""What operators see and switch, checked against the document and the audit topic."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from services.gateway.tests.conftest import (
    ApiUser,
    FakeJobsService,
    OpenGateway,
    RunningGateway,
    SignIn,
)

from msaas.contracts import TOPICS, AuditRecorded, TopicKind, decode, get_topic
from msaas.flags import FlagContext
from msaas.gateway.adapters.postgres.audit_outbox import PostgresAuditOutbox
from msaas.gateway.settings import Settings
from msaas.messaging import RedisBroker
from msaas.testing import wait_until

BROWSER = "FF_BROWSER_WORKER_ENABLED"
PAGE = {
    "task_type": "navigate_and_extract_text",
    "params": {"url": "https://example.com"},
}
OFF = {"percent": 0, "reason": "It does harm."}
ROUTES = [
    ("GET", "/ops/flags", None),
    ("PUT", f"/ops/flags/{BROWSER}", OFF),
    ("DELETE", f"/ops/flags/{BROWSER}", None),
    ("GET", "/ops/topics", None),
    ("GET", "/ops/circuits", None),
]


@pytest_asyncio.fixture
async def operator(sign_in: SignIn) -> Any:
    return await sign_in(app_metadata={"role": "operator"})


@pytest_asyncio.fixture
async def broker(redis_url: str) -> AsyncIterator[RedisBroker]:
    broker = RedisBroker(redis_url, command_timeout=5)
    yield broker
    await broker.close()


async def test_only_operators_are_allowed(sign_in: SignIn) -> None:
    user = await sign_in(user_metadata={"role": "operator"})
    for method, path, body in ROUTES:
        answer = await user.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_disabled_task_is_refused_at_once_by_every_process(
    operator: ApiUser,
    sign_in: SignIn,
    fake_jobs: FakeJobsService,
    open_gateway: OpenGateway,
    gateway_settings: Settings,
    gateway: RunningGateway,
) -> None:
    user = await sign_in()
    there, _ = await open_gateway(gateway_settings)
    assert (await user.submit(**PAGE)).status_code == 202
    assert (await operator.request("PUT", f"/ops/flags/{BROWSER}", json=OFF)).status_code == 204
    refused = await user.submit(**PAGE)
    assert (refused.status_code, refused.json()["code"]) == (403, "feature_flag_disabled")
    assert refused.json()["flag"] == BROWSER
    batch = await user.request("POST", "/jobs/batch", json={"jobs": [PAGE]})
    assert batch.json()["items"][0]["problem"]["code"] == "feature_flag_disabled"
    own = {"scope": f"user:{user.id}", "percent": 100, "reason": "Try it."}
    await operator.request("PUT", f"/ops/flags/{BROWSER}", json=own)
    assert (await user.request("GET", "/flags")).json()["flags"][BROWSER] is False
    features = there.state.features
    await features.refresh()
    subject = FlagContext(user.id, "PRO", "user", frozenset())
    assert not features.switches.is_enabled(BROWSER, subject)
    assert (await operator.request("DELETE", f"/ops/flags/{BROWSER}")).status_code == 204
    assert (await user.submit(**PAGE)).status_code == 202


async def test_flags_are_listed_with_what_overrides_them(operator: ApiUser) -> None:
    body = {"scope": "plan:PRO", "percent": 10, "internal": True, "reason": "A tenth."}
    await operator.request("PUT", f"/ops/flags/{BROWSER}", json=body)
    items = (await operator.request("GET", "/ops/flags")).json()["items"]
    flag = next(flag for flag in items if flag["name"] == BROWSER)
    [override] = flag["overrides"]
    assert (override["scope"], override["percent"], override["internal"]) == ("plan:PRO", 10, True)
    assert override["changed_by"] == str(operator.id)


@pytest.mark.parametrize(
    ("name", "change", "status"),
    [
        ("FF_NO_SUCH", {}, 404),
        (BROWSER, {"scope": "everybody"}, 422),
        (BROWSER, {"scope": f"user:{uuid4().hex}"}, 422),
        (BROWSER, {"percent": 101}, 422),
        (BROWSER, {"reason": " "}, 422),
    ],
)
async def test_a_setting_that_makes_no_sense_is_refused(
    operator: ApiUser, rows: asyncpg.Connection, name: str, change: Any, status: int
) -> None:
    answer = await operator.request("PUT", f"/ops/flags/{name}", json=OFF | change)
    assert answer.status_code == status
    assert await rows.fetchval("SELECT count(*) FROM identity.audit_outbox") == 0


async def test_topics_show_what_waits_and_circuits_what_fails(
    operator: ApiUser, broker: RedisBroker, environment: str, rows: asyncpg.Connection
) -> None:
    topic = get_topic("jobs.browser")
    await broker.execute_command("XADD", topic.key(environment), "*", "a", "b")
    items = (await operator.request("GET", "/ops/topics")).json()["items"]
    shown = {(row["topic"], row["consumer"]): row for row in items}
    works = [topic for topic in TOPICS.values() if topic.kind is TopicKind.WORK]
    assert shown.keys() == {
        (topic.name, consumer) for topic in works for consumer in topic.consumers
    }
    waiting = shown["jobs.browser", "browser-worker"]
    assert (waiting["depth"], waiting["lag"], waiting["pending"]) == (1, 1, 0)
    await rows.execute(
        "INSERT INTO jobs.pauses (task_type, reason, until)"
        " VALUES ('echo', 'circuit', now() + interval '1 minute')"
    )
    found = (await operator.request("GET", "/ops/circuits")).json()
    targets = ("cache", "claims", "flags", "jwks", "limits")
    closed = [{"target": target, "state": "closed"} for target in targets]
    assert found["circuits"] == closed
    assert [(pause["task_type"], pause["reason"]) for pause in found["holds"]] == [
        ("echo", "circuit")
    ]


async def test_audit_entries_are_published_again_after_redis_was_lost(
    operator: ApiUser,
    gateway: RunningGateway,
    broker: RedisBroker,
    environment: str,
    rows: asyncpg.Connection,
) -> None:
    await operator.request("PUT", f"/ops/flags/{BROWSER}", json=OFF)
    for _ in range(2):  # the second changes nothing and is not published
        await operator.request("DELETE", f"/ops/flags/{BROWSER}")
    topic = get_topic("audit.events")

    async def read_audit_events() -> list[AuditRecorded]:
        entries = await broker.peek(topic.key(environment), 100)
        messages = [decode(topic, entry.fields).message for entry in entries]
        return [message for message in messages if isinstance(message, AuditRecorded)]

    async def both_are_published() -> bool:
        return len(await read_audit_events()) == 2

    await wait_until(both_are_published)
    first = await read_audit_events()
    assert [event.action for event in first] == ["flag.set", "flag.unset"]
    assert first[0].details["reason"] == "It does harm."
    assert (first[0].actor_kind, first[0].actor_id) == ("operator", operator.id)
    await broker.execute_command("DEL", topic.key(environment))
    outbox = PostgresAuditOutbox(gateway.gateway.users)
    for _ in range(2):
        await outbox.requeue_for_epoch("another epoch")
    await wait_until(both_are_published)
    assert {event.audit_id for event in await read_audit_events()} == {
        event.audit_id for event in first
    }
