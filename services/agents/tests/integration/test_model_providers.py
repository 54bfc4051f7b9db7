"""The adapters of OpenAI and Anthropic against a server that speaks their formats."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from model_server import ModelServer, Reply, running_model_server

from msaas.agents.adapters.models.anthropic import AnthropicFormat
from msaas.agents.adapters.models.fallback import CallLimits, FallbackModels, PricedProvider
from msaas.agents.adapters.models.http_provider import (
    ChatFormat,
    HttpProvider,
    ModelTimeouts,
    read_retry_after,
)
from msaas.agents.adapters.models.openai import OpenAiFormat
from msaas.agents.adapters.models.prices import TokenPrice, most_usage
from msaas.agents.adapters.models.provider import ProviderFailed, ProviderRefused
from msaas.agents.domain.errors import ModelUnavailable
from msaas.agents.domain.models import ChatMessage, Finish, ModelRequest, TokenUsage
from msaas.kernel import BreakerPolicy, RetryPolicy
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT

KEY = "sk-test-canary-0123456789abcdef"
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
PROMPT = "PROMPT-CANARY"
REQUEST = ModelRequest(
    purpose="write",
    messages=(ChatMessage("system", "Be short."), ChatMessage("user", PROMPT)),
    max_tokens=64,
)
JSON = replace(REQUEST, json_schema=SCHEMA)
PATIENT = ModelTimeouts(
    connect=GENEROUS_TIMEOUT, first_byte=GENEROUS_TIMEOUT, idle=GENEROUS_TIMEOUT, whole=120
)
HASTY = replace(PATIENT, first_byte=0.2, connect=0.2, idle=0.2)
PRICE = TokenPrice(Decimal(1), Decimal(5))


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with running_model_server() as running:
        yield running


def make_format(name: str, url: str) -> ChatFormat:
    return OpenAiFormat(url) if name == "openai" else AnthropicFormat()


def make(
    name: str, server: ModelServer, timeouts: ModelTimeouts = PATIENT, key: str = KEY
) -> HttpProvider:
    return HttpProvider(
        name,
        "model-1",
        url=server.url,
        key=key,
        chat_format=make_format(name, server.url),
        timeouts=timeouts,
    )


async def ignore(_: str) -> None:
    pass


both = pytest.mark.parametrize("name", ["openai", "anthropic"])


@both
async def test_an_answer_is_streamed_with_its_usage(name: str, server: ModelServer) -> None:
    server.script = [Reply(text="Grüße from the sea 🙂", usage=(20, 9))]
    provider, shown = make(name, server), list[str]()

    async def show(text: str) -> None:
        shown.append(text)

    answer = await provider.ask(REQUEST, show)
    await provider.close()
    assert answer.text == "".join(shown) == "Grüße from the sea 🙂"
    assert len(shown) > 1
    assert (answer.finish, answer.usage) == ("stop", TokenUsage(tokens_in=20, tokens_out=9))
    body, headers = server.received[0].body, server.received[0].headers
    assert body["stream"] is True
    assert body["max_tokens"] == 64
    if name == "openai":
        assert headers["authorization"] == f"Bearer {KEY}"
        assert body["messages"][0] == {"role": "system", "content": "Be short."}
    else:
        assert (headers["x-api-key"], body["system"]) == (KEY, "Be short.")
        assert body["messages"] == [{"role": "user", "content": PROMPT}]


@both
async def test_an_object_is_requested_by_its_schema(name: str, server: ModelServer) -> None:
    server.script = [Reply(text='{"n": 3}')]
    provider = make(name, server)
    answer = await provider.ask(JSON, ignore)
    await provider.close()
    assert answer.text == '{"n": 3}'
    body = server.received[0].body
    if name == "openai":
        assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    else:
        assert body["tools"][0]["input_schema"] == SCHEMA
        assert body["tool_choice"] == {"type": "tool", "name": "answer"}


@both
@pytest.mark.parametrize("finish", ["length", "refused"])
async def test_the_end_of_an_answer_is_named(
    name: str, finish: Finish, server: ModelServer
) -> None:
    server.script = [Reply(text="so far", finish=finish)]
    provider = make(name, server)
    answer = await provider.ask(REQUEST, ignore)
    await provider.close()
    assert (answer.text, answer.finish) == ("so far", finish)


@both
@pytest.mark.parametrize(
    ("reply", "reason", "may_cost"),
    [
        (Reply(status=429, headers={"retry-after": "7"}), "rate_limited", False),
        (Reply(status=500), "server_error", False),
        (Reply(status=529), "overloaded", False),
        (Reply(status=504), "server_error", True),
        (Reply(text="half", cut_after=3), "connection_lost", True),
        (Reply(text="half", garbled=True), "malformed", True),
        (Reply(text="half", error_event="server_error"), "server_error", True),
        (Reply(text="x" * 4_000, pieces=9), "too_long", True),
        (Reply(text="late", stall_after=0), "timeout", True),
        (Reply(text="late", stall_after=3), "timeout", True),
    ],
)
async def test_each_failure_has_a_reason_and_says_whether_it_may_cost(
    *, name: str, reply: Reply, reason: str, may_cost: bool, server: ModelServer
) -> None:
    server.script = [reply]
    provider = make(name, server, HASTY if reply.stall_after is not None else PATIENT)
    with pytest.raises(ProviderFailed) as caught:
        await provider.ask(REQUEST, ignore)
    await provider.close()
    assert (caught.value.reason, caught.value.may_cost) == (reason, may_cost)
    assert caught.value.retry_after == (7.0 if reply.status == 429 else None)


@both
async def test_a_slow_stream_is_no_failure_while_it_moves(name: str, server: ModelServer) -> None:
    server.script = [Reply(text="slow but steady", pieces=15, delay=0.02)]
    provider = make(name, server)
    assert (await provider.ask(REQUEST, ignore)).text == "slow but steady"
    await provider.close()


@both
@pytest.mark.parametrize("status", [400, 401, 403, 404, 307])
async def test_what_the_provider_refuses_is_not_repeated(
    name: str, status: int, server: ModelServer
) -> None:
    server.script = [Reply(status=status, headers={"location": "https://example.com/"})]
    provider = make(name, server)
    with pytest.raises(ProviderRefused, match="refuses") as caught:
        await provider.ask(REQUEST, ignore)
    await provider.close()
    assert caught.value.reason == f"status_{status}"
    assert len(server.received) == 1


@both
async def test_nothing_listens(name: str, server: ModelServer) -> None:
    provider = HttpProvider(
        name,
        "model-1",
        url="http://127.0.0.1:9",
        key=KEY,
        chat_format=make_format(name, "http://127.0.0.1:9"),
        timeouts=PATIENT,
    )
    with pytest.raises(ProviderFailed) as caught:
        await provider.ask(REQUEST, ignore)
    await provider.close()
    assert (caught.value.reason, caught.value.may_cost) == ("unreachable", False)


@both
@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}é"])
async def test_a_key_that_is_no_header_is_not_shown(
    name: str, key: str, server: ModelServer
) -> None:
    with pytest.raises((ProviderRefused, UnicodeError)) as caught:
        await make(name, server, key=key).ask(REQUEST, ignore)
    shown: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        shown.append(repr(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert KEY not in "".join(shown)


async def test_usage_that_is_missing_is_counted_as_the_most(server: ModelServer) -> None:
    server.script = [Reply(text="fine", usage=None)]
    provider = make("openai", server)
    models = FallbackModels([PricedProvider(provider, PRICE)], Metrics("agents", "test"))
    answer = await models.complete(REQUEST)
    await models.close()
    assert answer.usage == most_usage(REQUEST)


async def test_no_key_prompt_answer_or_error_of_a_provider_is_logged_or_counted(
    server: ModelServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    metrics = Metrics("agents", "test")
    limits = CallLimits(timeouts=PATIENT, retry=RetryPolicy(base=0.0, budget=20.0))
    models = FallbackModels(
        [PricedProvider(make(name, server), PRICE) for name in ("openai", "anthropic")],
        metrics,
        limits=limits,
    )
    server.script = [Reply(status=500)] * 3 + [Reply(text="ANSWER-CANARY")]
    assert (await models.complete(REQUEST)).provider == "anthropic"
    server.script = [Reply(status=500)] * 6
    with pytest.raises(ModelUnavailable) as caught:
        await models.complete(REQUEST)
    await models.close()
    printed = capsys.readouterr()
    printed_text = caplog.text + printed.out + printed.err + metrics.render().decode()
    printed_text += f"{caught.value!r} {caught.value.context}"
    for secret in (KEY, PROMPT, "ANSWER-CANARY", "SECRET-IN-ERROR-BODY"):
        assert secret not in printed_text


async def test_one_of_two_providers_failing_fails_no_call(server: ModelServer) -> None:
    limits = CallLimits(timeouts=PATIENT, retry=RetryPolicy(base=0.001, cap=0.002, budget=20.0))
    good = make("openai", server)
    async with running_model_server() as failing:
        failing.default = Reply(text="half", cut_after=2)
        bad = make("anthropic", failing)
        models = FallbackModels(
            [PricedProvider(bad, PRICE), PricedProvider(good, PRICE)],
            Metrics("agents", "test"),
            limits=limits,
            breaker=BreakerPolicy(open_seconds=3_600),
        )
        answers = [await models.complete(REQUEST) for _ in range(50)]
        await models.close()
        assert {each.provider for each in answers} == {"openai"}
        assert len(failing.received) == 5


async def test_a_cancelled_call_closes_its_connection(server: ModelServer) -> None:
    server.script = [Reply(text="never", stall_after=3)]
    provider = make("openai", server)
    seen = asyncio.Event()

    async def show(_: str) -> None:
        seen.set()

    call = asyncio.create_task(provider.ask(REQUEST, show))
    async with asyncio.timeout(GENEROUS_TIMEOUT):
        await seen.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await provider.close()


async def test_the_official_clients_understand_the_server(server: ModelServer) -> None:
    """The stand-in speaks the formats that the providers' own clients speak."""
    server.script = [Reply(text='{"n": 3}', usage=(20, 9))] * 2 + [
        Reply(status=429, headers={"retry-after": "0"})
    ] * 2
    first = openai.AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0)
    second = anthropic.AsyncAnthropic(api_key=KEY, base_url=server.url, max_retries=0)
    text, usage = "", None
    body: Any = OpenAiFormat(server.url).body("model-1", JSON)
    create: Any = first.chat.completions.create
    chunks: list[Any] = [each async for each in await create(**body)]
    for chunk in chunks:
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        usage = chunk.usage or usage
    assert text == '{"n": 3}'
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (20, 9)

    body = dict(AnthropicFormat().body("model-1", JSON))
    del body["stream"]
    async with second.messages.stream(**body) as events:
        message = await events.get_final_message()
    assert message.stop_reason == "tool_use"
    assert message.content[0].type == "tool_use"
    assert message.content[0].input == {"n": 3}
    assert (message.usage.input_tokens, message.usage.output_tokens) == (20, 9)

    with pytest.raises(openai.RateLimitError):
        await first.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(anthropic.RateLimitError):
        await second.messages.create(
            model="m", max_tokens=5, messages=[{"role": "user", "content": "x"}]
        )
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, None, None),
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after": "1.5"}, 1.5, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25, 0.25),
        ({"retry-after": format_datetime(datetime.now(UTC) + timedelta(hours=1))}, 3_000, 3_600),
        ({"retry-after": format_datetime(datetime(2020, 1, 1, tzinfo=UTC))}, 0, 0),
        ({"retry-after": "9" * 400}, 3_600, 3_600),
        ({"retry-after": "soon"}, None, None),
        ({"retry-after-ms": "nan"}, None, None),
    ],
)
def test_the_wait_that_a_provider_asks_for(
    headers: dict[str, str], least: float | None, most: float | None
) -> None:
    seconds = read_retry_after(headers)
    if least is None or most is None:
        assert seconds is None
    else:
        assert seconds is not None
        assert least <= seconds <= most
