"""An operator manages dead letters of the fleet on the command line; a user cannot."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from subprocess import CompletedProcess
from typing import Any

import pytest
import redis.asyncio

from msaas.contracts import build_dead_letter, get_topic
from msaas.dev.chaos import IsolatedFleet
from msaas.dev.workspace import module_command
from msaas.kernel import new_id
from msaas.local.api_client import ApiClient
from msaas.testing import wait_until

# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

SignIn = Callable[..., Awaitable[ApiClient]]
AddDeadLetter = Callable[..., Awaitable[None]]


@pytest.fixture
def add_dead_letter(fleet: IsolatedFleet) -> AddDeadLetter:
    """Return a function that adds a dead letter of the results topic."""

    async def add(*, poison: bool) -> None:
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
        dead_letter = build_dead_letter(
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
            await client.xadd(key, dead_letter)

    return add


async def dlq(fleet: IsolatedFleet, *arguments: str) -> CompletedProcess[str]:
    return await asyncio.to_thread(fleet.run, *module_command("msaas.cli"), "dlq", *arguments)


async def find(fleet: IsolatedFleet, letter_class: str) -> str:
    """Wait until the fleet has stored the dead letter; return its id."""
    found: list[str] = []

    async def is_stored() -> bool:
        listed = await dlq(fleet, "list", "--class", letter_class, "--topic", "jobs.results")
        assert listed.returncode == 0, listed.stderr
        found[:] = ID.findall(listed.stdout)
        return bool(found)

    await wait_until(is_stored, timeout=60)
    return found[0]


async def test_an_operator_lists_shows_and_replays_a_dead_letter(
    fleet: IsolatedFleet, add_dead_letter: AddDeadLetter
) -> None:
    await add_dead_letter(poison=False)
    letter_id = await find(fleet, "transient")
    shown = await dlq(fleet, "show", letter_id)
    assert "hunter2" not in shown.stdout
    assert json.loads(shown.stdout)["body"]["type"] == "JobHeartbeat"
    replayed = await dlq(fleet, "replay", letter_id)
    assert (replayed.returncode, replayed.stdout.split()) == (0, ["✓", letter_id, "replayed"])
    listed = await dlq(fleet, "list", "--state", "replayed")
    assert letter_id in listed.stdout


async def test_a_poison_message_is_resolved_and_not_replayed(
    fleet: IsolatedFleet, add_dead_letter: AddDeadLetter
) -> None:
    await add_dead_letter(poison=True)
    letter_id = await find(fleet, "poison")
    refused = await dlq(fleet, "replay", letter_id)
    assert (refused.returncode, "cannot be decoded" in refused.stdout) == (1, True)
    resolved = await dlq(fleet, "resolve", letter_id, "--reason", "Planted by a test.")
    assert resolved.returncode == 0, resolved.stderr
    [row] = await fleet.fetch(
        "SELECT reason FROM jobs.message_dead_letters WHERE id = $1::uuid", letter_id
    )
    assert row["reason"] == "Planted by a test."


async def test_wrong_arguments_are_reported(fleet: IsolatedFleet) -> None:
    nothing = await dlq(fleet, "replay")
    assert (nothing.returncode, "--all" in nothing.stderr) == (1, True)
    unknown = await dlq(fleet, "show", str(new_id()))
    assert (unknown.returncode, "no such dead letter" in unknown.stderr) == (1, True)


async def test_a_user_without_the_role_is_refused(sign_in: SignIn) -> None:
    api = await sign_in()
    response = await api.request("GET", "/ops/dead-letters")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
