"""Asks one provider after the other, and bounds what all their attempts together can cost."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

from msaas.agents.adapters.models.http_provider import ModelTimeouts
from msaas.agents.adapters.models.json_answers import (
    InvalidAnswer,
    most_repair_tokens,
    read_json,
    repair_request,
)
from msaas.agents.adapters.models.model_metrics import ModelMetrics
from msaas.agents.adapters.models.prices import TokenPrice
from msaas.agents.adapters.models.provider import (
    Provider,
    ProviderAnswer,
    ProviderFailed,
    ProviderRefused,
)
from msaas.agents.adapters.models.token_relay import TokenRelay
from msaas.agents.application.ports import OnToken
from msaas.agents.domain.errors import ModelAnswerInvalid, ModelUnavailable
from msaas.agents.domain.models import ModelAnswer, ModelRequest, TokenUsage
from msaas.kernel import Breaker, BreakerPolicy, CircuitOpen, Clock, RetryPolicy, SystemClock
from msaas.telemetry import Metrics, circuit_state_listener, span


@dataclass(frozen=True, slots=True)
class PricedProvider:
    provider: Provider
    price: TokenPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """What one call may do.

    `requests` limits those to one provider, and `retry.budget` the waits between them, a wait that
    the provider asks for included. `paid_requests` limits those of all providers together that may
    be charged: answers, and requests that were lost while a provider worked on them.
    """

    requests: int = 3
    paid_requests: int = 2
    max_tokens: int = 8_192
    timeouts: ModelTimeouts = field(default_factory=ModelTimeouts)
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(base=0.2, cap=5.0, budget=20.0))


class FallbackModels:
    """A request that a provider may have worked on is repeated at the next one, not at the same."""

    def __init__(
        self,
        providers: Sequence[PricedProvider],
        metrics: Metrics,
        *,
        limits: CallLimits | None = None,
        breaker: BreakerPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._limits = limits or CallLimits()
        self._clock = clock or SystemClock()
        self._metrics = ModelMetrics(metrics)
        listener = circuit_state_listener(metrics)
        self._targets = [
            _Target(
                each,
                Breaker(each.provider.name, breaker or BreakerPolicy(), self._clock, listener),
            )
            for each in providers
        ]

    def bound_cost(self, request: ModelRequest) -> tuple[int, int]:
        """Assume that each request which may be paid is the dearest of all providers'."""
        request = self._clamp(request)
        paid, tokens, cost = self._limits.paid_requests, 0, 0
        for target in self._targets:
            usage = target.priced.provider.most_usage(request)
            if request.json_schema is not None and paid > 1:
                repair = most_repair_tokens()
                usage = TokenUsage(tokens_in=usage.tokens_in + repair, tokens_out=usage.tokens_out)
            tokens = max(tokens, usage.tokens_in + usage.tokens_out)
            cost = max(cost, target.priced.price.cost(usage))
        return tokens * paid, cost * paid

    async def complete(self, request: ModelRequest, on_token: OnToken | None = None) -> ModelAnswer:
        request = self._clamp(request)
        call = _Call(TokenRelay(None if request.json_schema is not None else on_token))
        with span("agents.model.call", purpose=request.purpose):
            for target in self._targets:
                if call.paid >= self._limits.paid_requests:
                    break
                try:
                    read = await self._ask(target, request, call)
                except (ProviderFailed, ProviderRefused, CircuitOpen) as failure:
                    call.reasons.append(f"{target.name}: {_reason(failure)}")
                else:
                    return await self._finish(target, request, read, call)
        raise ModelUnavailable(
            usage=call.usage, cost_micro_usd=call.cost, reasons=tuple(call.reasons)
        )

    async def close(self) -> None:
        for target in self._targets:
            await target.priced.provider.close()

    def _clamp(self, request: ModelRequest) -> ModelRequest:
        return replace(request, max_tokens=min(request.max_tokens, self._limits.max_tokens))

    async def _ask(self, target: "_Target", request: ModelRequest, call: "_Call") -> "_Read":
        """Return an answer, after retries that a further request to the same provider may help."""
        deadline = asyncio.get_running_loop().time() + self._limits.timeouts.whole
        waited = 0.0
        for attempt in count(1):
            try:
                return await self._request(target, request, call, deadline)
            except ProviderFailed as failure:
                wait = self._limits.retry.delay(attempt) + (failure.retry_after or 0.0)
                waited += wait
                if not self._may_repeat(target, call, failure, attempt) or waited > self._budget:
                    raise
            await self._clock.sleep(wait)
        raise AssertionError("unreachable")

    @property
    def _budget(self) -> float:
        budget = self._limits.retry.budget
        return self._limits.timeouts.whole if budget is None else budget

    def _may_repeat(
        self, target: "_Target", call: "_Call", failure: ProviderFailed, attempt: int
    ) -> bool:
        if attempt >= self._limits.requests or call.paid >= self._limits.paid_requests:
            return False
        return not failure.may_cost or target is self._targets[-1]

    async def _request(
        self, target: "_Target", request: ModelRequest, call: "_Call", deadline: float
    ) -> "_Read":
        provider = target.priced.provider
        call.relay.begin()
        with self._metrics.measured(provider.name, provider.model) as measured:
            try:
                async with target.breaker:
                    answer = await _within(deadline, provider.ask(request, call.relay))
            except CircuitOpen:
                measured.outcome = "circuit_open"
                raise
            except (ProviderFailed, ProviderRefused) as failure:
                measured.outcome = failure.reason
                if isinstance(failure, ProviderFailed) and failure.may_cost:
                    self._count(target, provider.most_usage(request), call)
                raise
            except asyncio.CancelledError:
                measured.outcome = "cancelled"
                raise
            self._count(target, answer.usage or provider.most_usage(request), call)
            read = _read(request, answer)
            measured.outcome = read.outcome
            return read

    async def _finish(
        self, target: "_Target", request: ModelRequest, read: "_Read", call: "_Call"
    ) -> ModelAnswer:
        if read.fault is None:
            return self._make(target, read, call)
        if read.answer.finish == "length" or call.paid >= self._limits.paid_requests:
            raise self._invalid(target, call, read.outcome)
        deadline = asyncio.get_running_loop().time() + self._limits.timeouts.whole
        repair = repair_request(request, read.answer.text, read.fault)
        try:
            repaired = await self._request(target, repair, call, deadline)
        except (ProviderFailed, ProviderRefused, CircuitOpen) as failure:
            raise self._invalid(target, call, _reason(failure)) from None
        if repaired.fault is not None:
            raise self._invalid(target, call, repaired.outcome)
        return self._make(target, repaired, call)

    def _invalid(self, target: "_Target", call: "_Call", reason: str) -> ModelAnswerInvalid:
        return ModelAnswerInvalid(
            usage=call.usage, cost_micro_usd=call.cost, reasons=(f"{target.name}: {reason}",)
        )

    def _make(
        self,
        target: "_Target",
        read: "_Read",
        call: "_Call",
    ) -> ModelAnswer:
        return ModelAnswer(
            text=read.answer.text,
            parsed=read.parsed,
            usage=call.usage,
            cost_micro_usd=call.cost,
            provider=target.name,
            model=target.priced.provider.model,
            finish=read.answer.finish,
        )

    def _count(self, target: "_Target", usage: TokenUsage, call: "_Call") -> None:
        cost = target.priced.price.cost(usage)
        call.add(usage, cost)
        self._metrics.count_usage(target.name, usage, cost)


@dataclass(frozen=True, slots=True)
class _Target:
    priced: PricedProvider
    breaker: Breaker

    @property
    def name(self) -> str:
        return self.priced.provider.name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """An answer, and its fault where it does not fit the schema of its request."""

    answer: ProviderAnswer
    parsed: Mapping[str, Any] | None = None
    fault: str | None = None

    @property
    def outcome(self) -> str:
        if self.answer.finish != "stop":
            return self.answer.finish
        return "ok" if self.fault is None else "invalid"


def _read(request: ModelRequest, answer: ProviderAnswer) -> _Read:
    if request.json_schema is None or answer.finish == "refused":
        return _Read(answer=answer)
    try:
        return _Read(answer=answer, parsed=read_json(answer.text, request.json_schema))
    except InvalidAnswer as invalid:
        return _Read(answer=answer, fault=str(invalid))


class _Call:
    """What the requests of one call have used so far."""

    def __init__(self, relay: TokenRelay) -> None:
        self.relay: Final = relay
        self.usage = TokenUsage(tokens_in=0, tokens_out=0)
        self.cost = 0
        self.paid = 0
        self.reasons: list[str] = []

    def add(self, usage: TokenUsage, cost: int) -> None:
        self.usage = TokenUsage(
            tokens_in=self.usage.tokens_in + usage.tokens_in,
            tokens_out=self.usage.tokens_out + usage.tokens_out,
        )
        self.cost += cost
        self.paid += 1


async def _within(deadline: float, answer: Awaitable[ProviderAnswer]) -> ProviderAnswer:
    try:
        async with asyncio.timeout_at(deadline):
            return await answer
    except TimeoutError:
        raise ProviderFailed("timeout", may_cost=True) from None


def _reason(failure: ProviderFailed | ProviderRefused | CircuitOpen) -> str:
    return "circuit_open" if isinstance(failure, CircuitOpen) else failure.reason
