"""The routes of dead letters: for operators only, checked against the document."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from services.gateway.tests.conftest import ApiUser, SignIn

from msaas.contracts import (
    ListDeadLetters,
    Message,
    ReplayDeadLetters,
    ResolveDeadLetters,
    ShowDeadLetter,
)
from msaas.kernel import ErrorKind, MsaasError
from msaas.messaging import ConsumerTimings, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT

DEAD_LETTER: dict[str, Any] = {
    "id": uuid4(),
    "class": "transient",
    "topic": "jobs.results",
    "name": "JobSucceeded",
    "error": "KeyError",
    "correlation_id": "test",
    "died_at": "2026-01-01T00:00:00.000001Z",
    "replay_count": 1,
    "replay_due_at": None,
    "state": "open",
    "resolved_at": None,
    "resolved_by": None,
    "reason": None,
}
PROBLEM: dict[str, Any] = {
    "code": "conflict",
    "detail": "It was resolved.",
    "retryable": False,
    "context": {},
}
ROUTES = [
    ("GET", "/ops/dead-letters", None),
    ("GET", f"/ops/dead-letters/{UUID(int=7)}", None),
    ("POST", "/ops/dead-letters/replay", {"ids": [str(uuid4())]}),
    ("POST", "/ops/dead-letters/resolve", {"ids": [str(uuid4())], "reason": "Seen to."}),
]


class DeadLetterNotFound(MsaasError):
    code = "not_found"
    kind = ErrorKind.NOT_FOUND


class FakeDeadLetterService:
    """A fake owner of dead letters that has one of them."""

    def __init__(self) -> None:
        self.commands: list[Message] = []

    async def handle(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        self.commands += [delivery.message for delivery in batch]
        return [answer for delivery in batch for answer in self._answer(delivery)]

    def _answer(self, delivery: Delivery) -> list[OutgoingMessage]:
        match delivery.message:
            case ListDeadLetters():
                return delivery.reply_success(items=[DEAD_LETTER])
            case ShowDeadLetter(letter_id=letter_id) if letter_id == DEAD_LETTER["id"]:
                return delivery.reply_success(**DEAD_LETTER, body={"type": "JobSucceeded"})
            case ReplayDeadLetters() | ResolveDeadLetters() as command:
                return delivery.reply_success(
                    items=[self._decide(dead_letter_id) for dead_letter_id in command.letters]
                )
            case _:
                return delivery.reply_error(DeadLetterNotFound("There is no such dead letter."))

    def _decide(self, letter_id: UUID) -> dict[str, Any]:
        if letter_id == DEAD_LETTER["id"]:
            return {"id": letter_id, "ok": True, "outcome": "waiting", "because": "rate"}
        return {"id": letter_id, "ok": False, "problem": PROBLEM}


@pytest_asyncio.fixture
async def dead_letter_service(
    redis_url_for: Callable[[str], str], environment: str
) -> AsyncIterator[FakeDeadLetterService]:
    broker = RedisBroker(redis_url_for("jobs"), command_timeout=GENEROUS_TIMEOUT)
    metrics = Metrics("jobs", environment)
    messenger = Messenger(
        broker, "jobs", environment, metrics=metrics, timings=ConsumerTimings(block_timeout=0.05)
    )
    service = FakeDeadLetterService()
    messenger.consume_batches("jobs.commands", service.handle)
    running = asyncio.create_task(messenger.run())
    yield service
    messenger.drain()
    await running
    await broker.close()


@pytest_asyncio.fixture
async def operator(sign_in: SignIn) -> Any:
    return await sign_in(app_metadata={"role": "operator"})


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_only_operators_are_allowed(
    dead_letter_service: FakeDeadLetterService, sign_in: SignIn, method: str, path: str, body: Any
) -> None:
    for claims in ({}, {"user_metadata": {"role": "operator"}}):
        user = await sign_in(**claims)
        answer = await user.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    user.headers = {}
    assert (await user.request(method, path, json=body)).status_code == 401
    assert dead_letter_service.commands == []


async def test_dead_letters_are_listed_page_by_page(
    dead_letter_service: FakeDeadLetterService, operator: ApiUser
) -> None:
    query = {"limit": 1, "class": "transient", "topic": "jobs.results", "state": "open"}
    page = (await operator.request("GET", "/ops/dead-letters", params=query)).json()
    assert [item["id"] for item in page["items"]] == [str(DEAD_LETTER["id"])]
    await operator.request("GET", "/ops/dead-letters", params={"cursor": page["next_cursor"]})
    first, second = dead_letter_service.commands
    assert isinstance(first, ListDeadLetters)
    assert isinstance(second, ListDeadLetters)
    assert (first.letter_class, first.topic, first.before_id) == ("transient", "jobs.results", None)
    assert (second.before_id, second.limit) == (DEAD_LETTER["id"], 20)
    assert second.before_at is not None
    assert second.before_at.microsecond == 1


@pytest.mark.parametrize(
    "query", [{"cursor": "nonsense"}, {"class": "lively"}, {"limit": 101}, {"topic": "Not one"}]
)
async def test_a_query_that_makes_no_sense_is_refused(
    dead_letter_service: FakeDeadLetterService, operator: ApiUser, query: dict[str, Any]
) -> None:
    answer = await operator.request("GET", "/ops/dead-letters", params=query)
    assert answer.status_code == 422
    assert dead_letter_service.commands == []


async def test_one_dead_letter_is_shown(
    dead_letter_service: FakeDeadLetterService, operator: ApiUser
) -> None:
    dead_letter = (await operator.request("GET", f"/ops/dead-letters/{DEAD_LETTER['id']}")).json()
    assert (dead_letter["class"], dead_letter["body"]) == ("transient", {"type": "JobSucceeded"})
    missing = await operator.request("GET", f"/ops/dead-letters/{uuid4()}")
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        "There is no such dead letter.",
    )
    assert len(dead_letter_service.commands) == 2


async def test_each_dead_letter_of_a_replay_has_its_own_outcome(
    dead_letter_service: FakeDeadLetterService, operator: ApiUser
) -> None:
    body = {"ids": [str(DEAD_LETTER["id"]), str(uuid4())]}
    answer = await operator.request("POST", "/ops/dead-letters/replay", json=body)
    assert answer.status_code == 202
    first, second = answer.json()["items"]
    assert (first["ok"], first["outcome"], first["because"]) == (True, "waiting", "rate")
    assert (second["ok"], second["problem"]["detail"]) == (False, "It was resolved.")
    [command] = dead_letter_service.commands
    assert isinstance(command, ReplayDeadLetters)
    assert command.asked_by == operator.id


async def test_one_key_is_one_replay(
    dead_letter_service: FakeDeadLetterService, operator: ApiUser, sign_in: SignIn
) -> None:
    other = await sign_in(app_metadata={"role": "operator"})
    body = {"ids": [str(DEAD_LETTER["id"])]}
    for who, key in ((operator, "k"), (operator, "k"), (operator, "l"), (other, "k")):
        headers = {"idempotency-key": key}
        await who.request("POST", "/ops/dead-letters/replay", json=body, headers=headers)
    ids = [
        command.replay_id
        for command in dead_letter_service.commands
        if isinstance(command, ReplayDeadLetters)
    ]
    assert len(set(ids)) == len(ids) == 3


async def test_the_operator_and_the_reason_are_passed_to_the_owner(
    dead_letter_service: FakeDeadLetterService, operator: ApiUser
) -> None:
    body = {"ids": [str(DEAD_LETTER["id"])], "reason": "Seen to."}
    assert (
        await operator.request("POST", "/ops/dead-letters/resolve", json=body)
    ).status_code == 202
    [command] = dead_letter_service.commands
    assert isinstance(command, ResolveDeadLetters)
    assert (command.reason, command.asked_by) == ("Seen to.", operator.id)


@pytest.mark.parametrize(
    "body",
    [
        {"ids": [], "reason": "x"},
        {"ids": [str(uuid4())] * 101, "reason": "x"},
        {"ids": [str(uuid4())], "reason": " "},
        {"ids": [str(uuid4())], "reason": "x" * 201},
        {"ids": ["no id"], "reason": "x"},
    ],
)
async def test_a_resolution_needs_dead_letters_and_a_reason(
    dead_letter_service: FakeDeadLetterService, operator: ApiUser, body: Any
) -> None:
    answer = await operator.request("POST", "/ops/dead-letters/resolve", json=body)
    assert answer.status_code == 422
    assert dead_letter_service.commands == []
