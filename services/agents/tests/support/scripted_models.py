"""Models for tests: they do what a script says, and record what they were asked."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msaas.agents.adapters.models.prices import most_usage
from msaas.agents.application.ports import OnToken
from msaas.agents.domain.errors import ModelAnswerInvalid, ModelUnavailable
from msaas.agents.domain.models import Finish, ModelAnswer, ModelRequest, TokenUsage

PRICE_MICRO_USD = 2  # for each token


@dataclass(frozen=True, kw_only=True)
class ScriptedReply:
    """What one call does; `answer` is a text, an object, or made from the request.

    `stall` waits until the call is cancelled; `garble` gives an answer that fits no schema;
    `unavailable` raises ModelUnavailable; `overflow` uses more tokens than were allowed.
    """

    answer: str | Mapping[str, Any] | Callable[[ModelRequest], str | Mapping[str, Any]] = ""
    finish: Finish = "stop"
    stall: bool = False
    garble: bool = False
    unavailable: bool = False
    overflow: bool = False
    token_delay: float = 0.0
    usage: TokenUsage | None = None


Script = Callable[[ModelRequest, int], ScriptedReply]


@dataclass
class ScriptedModels:
    """A ModelGateway; `script` gets the request and the number of the call, from 0 on."""

    script: Script
    provider: str = "scripted"
    model: str = "script-1"
    requests: list[ModelRequest] = field(default_factory=list[ModelRequest])

    def bound_cost(self, request: ModelRequest) -> tuple[int, int]:
        most = most_usage(request)
        tokens = most.tokens_in + most.tokens_out
        return tokens, tokens * PRICE_MICRO_USD

    async def complete(self, request: ModelRequest, on_token: OnToken | None = None) -> ModelAnswer:
        self.requests.append(request)
        reply = self.script(request, len(self.requests) - 1)
        if reply.stall:
            await asyncio.Event().wait()
        if reply.unavailable:
            raise ModelUnavailable(reasons=("scripted: unreachable",))
        usage = reply.usage or self._count(request, reply)
        cost = (usage.tokens_in + usage.tokens_out) * PRICE_MICRO_USD
        if reply.garble and request.json_schema is not None:
            raise ModelAnswerInvalid(usage=usage, cost_micro_usd=cost)
        text, parsed = _read(request, reply)
        if on_token is not None and request.json_schema is None:
            for word in text.split(" "):
                await asyncio.sleep(reply.token_delay)
                await on_token(f"{word} ")
        return ModelAnswer(
            text=text,
            parsed=parsed,
            usage=usage,
            cost_micro_usd=cost,
            provider=self.provider,
            model=self.model,
            finish=reply.finish,
        )

    async def close(self) -> None:
        pass

    @staticmethod
    def _count(request: ModelRequest, reply: ScriptedReply) -> TokenUsage:
        most = most_usage(request)
        tokens_out = most.tokens_out * 2 if reply.overflow else min(7, most.tokens_out)
        return TokenUsage(tokens_in=min(11, most.tokens_in), tokens_out=tokens_out)


def _read(request: ModelRequest, reply: ScriptedReply) -> tuple[str, Mapping[str, Any] | None]:
    answer = reply.answer(request) if callable(reply.answer) else reply.answer
    text = answer if isinstance(answer, str) else json.dumps(answer)
    if reply.garble:
        return "�{garbled", None
    if request.json_schema is None or reply.finish == "refused":
        return text, None
    return text, json.loads(text)
