"""Calls of models: order, retries, breakers, repair, and the bound of what they can cost."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.agents.adapters.models.fallback import CallLimits, FallbackModels, PricedProvider
from msaas.agents.adapters.models.http_provider import ModelTimeouts
from msaas.agents.adapters.models.prices import TokenPrice, most_usage
from msaas.agents.adapters.models.provider import ProviderAnswer, ProviderFailed, ProviderRefused
from msaas.agents.application.ports import OnToken
from msaas.agents.domain.errors import ModelAnswerInvalid, ModelUnavailable
from msaas.agents.domain.models import ChatMessage, ModelRequest, TokenUsage
from msaas.kernel import BreakerPolicy, Clock, RetryPolicy
from msaas.telemetry import Metrics

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
TEXT = ModelRequest(purpose="write", messages=(ChatMessage("user", "Why?"),), max_tokens=50)
JSON = ModelRequest(
    purpose="read", messages=(ChatMessage("user", "How many?"),), max_tokens=50, json_schema=SCHEMA
)
USAGE = TokenUsage(tokens_in=3, tokens_out=2)
DOWN = ProviderFailed("unreachable")
LOST = ProviderFailed("cut", may_cost=True)

Outcome = str | ProviderAnswer | Exception


@dataclass
class FakeProvider:
    """Gives its outcomes one after the other, the last one for ever."""

    name: str
    outcomes: list[Outcome]
    model: str = "m"
    requests: list[ModelRequest] = field(default_factory=list[ModelRequest])

    def most_usage(self, request: ModelRequest) -> TokenUsage:
        return most_usage(request)

    async def ask(self, request: ModelRequest, on_text: OnToken) -> ProviderAnswer:
        self.requests.append(request)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if outcome == "hang":
            await asyncio.Event().wait()
        if isinstance(outcome, Exception):
            raise outcome
        answer = outcome if isinstance(outcome, ProviderAnswer) else _answer(outcome)
        for word in answer.text.split(" "):
            await on_text(f"{word} ")
        return answer

    async def close(self) -> None:
        pass


def _answer(text: str) -> ProviderAnswer:
    return ProviderAnswer(text=text, usage=USAGE)


@dataclass
class RecordingClock:
    """Does not wait, and knows how long it should have waited."""

    waits: list[float] = field(default_factory=list[float])

    def monotonic(self) -> float:
        return sum(self.waits)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    def now(self) -> Any:
        raise NotImplementedError


def make(
    *providers: FakeProvider,
    limits: CallLimits | None = None,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    breaker: BreakerPolicy | None = None,
) -> FallbackModels:
    price = TokenPrice(Decimal("0.4"), Decimal("1.6"))
    return FallbackModels(
        [PricedProvider(each, price) for each in providers],
        metrics or Metrics("agents", "test"),
        limits=limits,
        breaker=breaker,
        clock=clock or RecordingClock(),
    )


async def test_the_first_provider_that_answers_is_called_and_paid() -> None:
    first, second = FakeProvider("a", ["an answer"]), FakeProvider("b", ["other"])
    answer = await make(first, second).complete(TEXT)
    assert (answer.text, answer.provider, answer.usage) == ("an answer", "a", USAGE)
    assert answer.cost_micro_usd == 5  # 3 x 0.4 + 2 x 1.6, rounded up
    assert not second.requests


async def test_a_provider_that_is_down_is_called_three_times_and_then_the_next() -> None:
    first, second, clock = FakeProvider("a", [DOWN]), FakeProvider("b", ["yes"]), RecordingClock()
    answer = await make(first, second, clock=clock).complete(TEXT)
    assert answer.provider == "b"
    assert (len(first.requests), len(second.requests)) == (3, 1)
    assert answer.usage == USAGE  # what was never worked on costs nothing
    assert len(clock.waits) == 2
    assert clock.waits[0] <= 0.2
    assert clock.waits[1] <= 0.4


async def test_a_wait_that_a_provider_asks_for_is_kept_within_the_budget() -> None:
    busy = ProviderFailed("rate_limited", retry_after=7.0)
    clock = RecordingClock()
    answer = await make(FakeProvider("a", [busy, "yes"]), clock=clock).complete(TEXT)
    assert answer.text == "yes"
    assert 7.0 <= clock.waits[0] <= 7.2

    closed = ProviderFailed("rate_limited", retry_after=3_600.0)
    first, second, clock = FakeProvider("a", [closed]), FakeProvider("b", ["yes"]), RecordingClock()
    assert (await make(first, second, clock=clock).complete(TEXT)).provider == "b"
    assert len(first.requests) == 1
    assert clock.waits == []


async def test_all_down_gives_a_reason_and_ends_after_a_bounded_number_of_requests() -> None:
    first, second = FakeProvider("a", [DOWN]), FakeProvider("b", [ProviderRefused("status_401")])
    models = make(first, second, breaker=BreakerPolicy(consecutive_failures=5))
    for _ in range(1_000):
        with pytest.raises(ModelUnavailable):
            await models.complete(TEXT)
    with pytest.raises(ModelUnavailable) as caught:
        await models.complete(TEXT)
    assert caught.value.context["reasons"] == ("a: circuit_open", "b: status_401")
    assert caught.value.cost_micro_usd == 0
    # Five failures open the circuit; while the clock stands still, nobody asks again.
    assert len(first.requests) == 5


async def test_a_request_that_was_lost_is_repeated_elsewhere_and_counted_in_full() -> None:
    first, second = FakeProvider("a", [LOST]), FakeProvider("b", ["yes"])
    models = make(first, second)
    answer = await models.complete(TEXT)
    most = most_usage(TEXT)
    assert (len(first.requests), answer.provider) == (1, "b")
    assert answer.usage.tokens_in == most.tokens_in + USAGE.tokens_in
    assert answer.usage.tokens_out == most.tokens_out + USAGE.tokens_out


async def test_the_last_provider_is_called_again_for_what_was_lost_but_once() -> None:
    only = FakeProvider("a", [LOST])
    with pytest.raises(ModelUnavailable) as caught:
        await make(only).complete(TEXT)
    assert len(only.requests) == 2
    most = most_usage(TEXT)
    assert caught.value.usage.tokens_out == 2 * most.tokens_out
    assert caught.value.cost_micro_usd > 0


async def test_a_provider_that_hangs_is_left_at_the_deadline_of_the_call() -> None:
    limits = CallLimits(timeouts=ModelTimeouts(whole=0.05))
    answer = await make(
        FakeProvider("a", ["hang"]), FakeProvider("b", ["yes"]), limits=limits
    ).complete(TEXT)
    assert answer.provider == "b"


async def test_json_is_parsed_and_a_wrong_answer_repaired_once() -> None:
    good = FakeProvider("a", ['```json\n{"n": 3}\n```'])
    assert (await make(good).complete(JSON)).parsed == {"n": 3}

    mended = FakeProvider("a", ['{"n": "three"}', '{"n": 3}'])
    answer = await make(mended).complete(JSON)
    assert answer.parsed == {"n": 3}
    assert answer.usage == TokenUsage(tokens_in=6, tokens_out=4)
    assert [each.role for each in mended.requests[1].messages] == ["user", "assistant", "user"]
    assert "$.n" in mended.requests[1].messages[-1].text


@pytest.mark.parametrize("wrong", ["{nonsense", "[1]", '{"n": NaN}', '{"n": 1.5}', ""])
async def test_an_answer_that_stays_wrong_fails_after_one_repair(wrong: str) -> None:
    first, second = FakeProvider("a", [wrong]), FakeProvider("b", ['{"n": 1}'])
    with pytest.raises(ModelAnswerInvalid) as caught:
        await make(first, second).complete(JSON)
    assert (len(first.requests), len(second.requests)) == (2, 0)
    assert caught.value.usage == TokenUsage(tokens_in=6, tokens_out=4)
    assert wrong not in str(caught.value.context) or not wrong


async def test_an_answer_that_was_cut_at_its_limit_is_not_repaired() -> None:
    cut = ProviderAnswer(text='{"n":', finish="length", usage=USAGE)
    provider = FakeProvider("a", [cut])
    with pytest.raises(ModelAnswerInvalid):
        await make(provider).complete(JSON)
    assert len(provider.requests) == 1


async def test_a_refusal_is_an_answer_without_an_object() -> None:
    refusal = ProviderAnswer(text="I will not.", finish="refused", usage=USAGE)
    answer = await make(FakeProvider("a", [refusal])).complete(JSON)
    assert (answer.finish, answer.parsed, answer.text) == ("refused", None, "I will not.")


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"n": {"pattern": "(a+)+$"}}},
        {"patternProperties": {"(a+)+$": False}, "additionalProperties": False},
    ],
)
async def test_no_regular_expression_of_a_user_is_run(schema: dict[str, Any]) -> None:
    request = ModelRequest(purpose="read", messages=(), max_tokens=9, json_schema=schema)
    answer = await make(FakeProvider("a", ['{"n": "' + "a" * 64 + '!"}'])).complete(request)
    assert answer.parsed == {"n": "a" * 64 + "!"}


async def test_a_schema_that_refers_elsewhere_is_not_fetched() -> None:
    request = ModelRequest(
        purpose="read",
        messages=(),
        max_tokens=9,
        json_schema={"$ref": "https://example.com/schema.json"},
    )
    with pytest.raises(ModelAnswerInvalid):
        await make(FakeProvider("a", ["{}"])).complete(request)


async def test_the_shown_text_only_grows_when_an_answer_begins_again() -> None:
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    class Breaking(FakeProvider):
        async def ask(self, request: ModelRequest, on_text: OnToken) -> ProviderAnswer:
            await on_text("one two ")
            raise ProviderFailed("cut", may_cost=True)

    await make(Breaking("a", [""]), FakeProvider("b", ["one two three"])).complete(TEXT, show)
    assert "".join(shown) == "one two three "

    shown.clear()
    answer = await make(Breaking("a", [""]), FakeProvider("b", ["different"])).complete(TEXT, show)
    assert "".join(shown) == "one two "
    assert answer.text == "different"


async def test_a_display_that_fails_does_not_fail_the_call_and_json_is_not_shown() -> None:
    async def fail(text: str) -> None:
        raise RuntimeError(text)

    assert (await make(FakeProvider("a", ["x y"])).complete(TEXT, fail)).text == "x y"
    assert (await make(FakeProvider("a", ['{"n": 1}'])).complete(JSON, fail)).parsed == {"n": 1}


async def test_requests_are_counted_by_outcome_with_tokens_and_cost() -> None:
    metrics = Metrics("agents", "test")
    await make(FakeProvider("a", [DOWN, LOST]), FakeProvider("b", ["x"]), metrics=metrics).complete(
        TEXT
    )
    rendered = metrics.render().decode()
    for provider, outcome in (("a", "unreachable"), ("a", "cut"), ("b", "ok")):
        found = [
            line
            for line in rendered.splitlines()
            if line.startswith("agents_llm_calls_total")
            and f'provider="{provider}"' in line
            and f'outcome="{outcome}"' in line
        ]
        assert found
        assert found[0].endswith(" 1.0")
    assert 'agents_llm_tokens_total{direction="out"' in rendered
    assert "agents_llm_cost_usd_total" in rendered
    assert "Why?" not in rendered


_OUTCOMES: Sequence[Callable[[], Outcome]] = (
    lambda: "plain text",
    lambda: '{"n": 1}',
    lambda: '{"n": "x"}',
    lambda: ProviderAnswer(text='{"n":', finish="length"),
    lambda: ProviderAnswer(text="no", finish="refused"),
    lambda: ProviderAnswer(text='{"n": 2}'),
    lambda: ProviderFailed("unreachable"),
    lambda: ProviderFailed("cut", may_cost=True),
    lambda: ProviderFailed("rate_limited", retry_after=1.0),
    lambda: ProviderRefused("status_400"),
)


@given(
    st.lists(st.lists(st.sampled_from(_OUTCOMES), min_size=1, max_size=8), min_size=1, max_size=3),
    st.sampled_from([TEXT, JSON]),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_no_call_uses_more_than_its_bound_or_asks_more_often(
    scripts: list[list[Callable[[], Outcome]]], request_: ModelRequest, requests: int, paid: int
) -> None:
    providers = [
        FakeProvider(f"p{number}", [outcome() for outcome in script])
        for number, script in enumerate(scripts)
    ]
    limits = CallLimits(requests=requests, paid_requests=paid, retry=RetryPolicy(budget=20.0))
    models = make(*providers, limits=limits)
    tokens, cost = models.bound_cost(request_)
    try:
        done = asyncio.run(models.complete(request_))
    except ModelUnavailable as error:
        done = error
    assert done.usage.tokens_in + done.usage.tokens_out <= tokens
    assert done.cost_micro_usd <= cost
    sent = sum(len(each.requests) for each in providers)
    assert sent <= len(providers) * requests + 1
