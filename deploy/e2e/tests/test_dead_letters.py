"""An operator meets dead letters of a whole fleet by the command line; nobody else does."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis.asyncio

from msaas.contracts import build_dead_letter, get_topic
from msaas.dev.workspace import module_command
from msaas.kernel import new_id
from msaas.testing import wait_until

# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

AddDeadLetter = Callable[..., Awaitable[None]]


@pytest.fixture
def add_dead_letter(fleet: Any) -> AddDeadLetter:
    """Put a dead letter where the consumers of the results leave theirs."""

    async def bury_(*, poison: bool) -> None:
        topic = get_topic("jobs.results")
        data = {"job_id": str(new_id()), "fence": str(new_id()), "secret": "hunter2"}
        fields = {
            b"id": str(new_id()).encode(),
            b"type": b"JobHeartbeat",
            b"v": b"1",
            b"correlation_id": b"e2e",
            b"ts": b"2026-01-01T00:00:00Z",
            b"data": b"{" if poison else json.dumps(data).encode(),
            b"reply_to": b"hunter2",
            b"ttl_ms": b"1",
        }
        letter = build_dead_letter(
            topic,
            fields,
            entry_id=f"{new_id().int >> 80}-0",
            error="planted",
            kind="poison" if poison else "transient",
            deliveries=5,
            at=datetime.now(UTC),
        )
        key = (topic.poison_key if poison else topic.dead_letter_key)("local", "jobs")
        async with _Redis.from_url(fleet.url("redis")) as client:
            await client.xadd(key, letter)

    return bury_


async def dlq(fleet: Any, *words: str) -> Any:
    return await asyncio.to_thread(fleet.run, *module_command("msaas.cli"), "dlq", *words)


async def find(fleet: Any, letter_class: str) -> str:
    """Wait until the fleet has kept the letter; answer its id."""
    found: list[str] = []

    async def is_kept() -> bool:
        listed = await dlq(fleet, "list", "--class", letter_class, "--topic", "jobs.results")
        assert listed.returncode == 0, listed.stderr
        found[:] = ID.findall(listed.stdout)
        return bool(found)

    await wait_until(is_kept, timeout=60)
    return found[0]


async def test_an_operator_lists_shows_and_replays_a_letter(
    fleet: Any, add_dead_letter: AddDeadLetter
) -> None:
    await add_dead_letter(poison=False)
    letter = await find(fleet, "transient")
    shown = await dlq(fleet, "show", letter)
    assert "hunter2" not in shown.stdout
    assert json.loads(shown.stdout)["body"]["type"] == "JobHeartbeat"
    replayed = await dlq(fleet, "replay", letter)
    assert (replayed.returncode, replayed.stdout.split()) == (0, ["✓", letter, "replayed"])
    listed = await dlq(fleet, "list", "--state", "replayed")
    assert letter in listed.stdout


async def test_poison_is_not_replayed_but_resolved_with_a_reason(
    fleet: Any, add_dead_letter: AddDeadLetter
) -> None:
    await add_dead_letter(poison=True)
    letter = await find(fleet, "poison")
    refused = await dlq(fleet, "replay", letter)
    assert (refused.returncode, "cannot be read" in refused.stdout) == (1, True)
    resolved = await dlq(fleet, "resolve", letter, "--reason", "Planted by a test.")
    assert resolved.returncode == 0, resolved.stderr
    [row] = await fleet.fetch(
        "SELECT reason FROM jobs.message_dead_letters WHERE id = $1::uuid", letter
    )
    assert row["reason"] == "Planted by a test."


async def test_what_is_asked_for_wrongly_is_said_so(fleet: Any) -> None:
    nothing = await dlq(fleet, "replay")
    assert (nothing.returncode, "--all" in nothing.stderr) == (1, True)
    unknown = await dlq(fleet, "show", str(new_id()))
    assert (unknown.returncode, "no such dead letter" in unknown.stderr) == (1, True)


async def test_a_user_is_no_operator(sign_in: Any) -> None:
    api = await sign_in()
    answer = await api.request("GET", "/ops/dead-letters")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
