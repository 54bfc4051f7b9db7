"""Anthropic's Messages API; an answer in JSON is the input of a tool that has to be called."""

from collections.abc import Mapping
from typing import Any, Final

from msaas.agents.adapters.models.http_provider import read_json_event
from msaas.agents.adapters.models.provider import ProviderAnswer, ProviderFailed
from msaas.agents.adapters.models.sse import ServerEvent
from msaas.agents.domain.models import Finish, ModelRequest, TokenUsage

ANTHROPIC_URL: Final = "https://api.anthropic.com"
API_VERSION: Final = "2023-06-01"
_TOOL: Final = "answer"
_FINISHES: Final[Mapping[str, Finish]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}
_INPUTS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_ERRORS: Final = {"overloaded_error": "overloaded", "rate_limit_error": "rate_limited"}


class AnthropicFormat:
    path: str = "/v1/messages"

    def headers(self, key: str) -> Mapping[str, str]:
        return {"x-api-key": key, "anthropic-version": API_VERSION}

    def body(self, model: str, request: ModelRequest) -> Mapping[str, Any]:
        system = "\n\n".join(each.text for each in request.messages if each.role == "system")
        body: dict[str, Any] = {
            "model": model,
            "max_tokens": request.max_tokens,
            "messages": [
                {"role": each.role, "content": each.text}
                for each in request.messages
                if each.role != "system"
            ],
            "stream": True,
        }
        if system:
            body["system"] = system
        if request.json_schema is not None:
            body["tools"] = [
                {
                    "name": _TOOL,
                    "description": "Gives the answer.",
                    "input_schema": dict(request.json_schema),
                }
            ]
            body["tool_choice"] = {"type": "tool", "name": _TOOL}
        return body

    def start_answer(self) -> "AnthropicAnswer":
        return AnthropicAnswer()


class AnthropicAnswer:
    def __init__(self) -> None:
        self._text: list[str] = []
        self._reason: str | None = None
        self._ended = False
        self._usage: dict[str, int] = {}

    def take(self, event: ServerEvent) -> str:
        payload = read_json_event(event)
        match payload.get("type"):
            case "message_start":
                self._take_usage(payload["message"].get("usage"))
            case "content_block_delta":
                return self._take_delta(payload["delta"])
            case "message_delta":
                self._reason = payload["delta"].get("stop_reason") or self._reason
                self._take_usage(payload.get("usage"))
            case "message_stop":
                self._ended = True
            case "error":
                kind = str(payload["error"].get("type"))
                raise ProviderFailed(_ERRORS.get(kind, "server_error"), may_cost=True)
            case _:
                pass  # a ping, or an event that is newer than this code
        return ""

    def finish(self) -> ProviderAnswer | None:
        if not self._ended or self._reason is None:
            return None
        finish: Finish = _FINISHES.get(self._reason, "stop")
        return ProviderAnswer(text="".join(self._text), finish=finish, usage=self._count())

    def _take_delta(self, delta: Mapping[str, Any]) -> str:
        text = str(delta.get("text") or delta.get("partial_json") or "")
        self._text.append(text)
        return text

    def _take_usage(self, usage: Mapping[str, Any] | None) -> None:
        # Each event repeats the counts so far: the last ones are right.
        for name, count in (usage or {}).items():
            if isinstance(count, int):
                self._usage[name] = count

    def _count(self) -> TokenUsage | None:
        if "output_tokens" not in self._usage or "input_tokens" not in self._usage:
            return None
        return TokenUsage(
            tokens_in=sum(self._usage.get(name, 0) for name in _INPUTS),
            tokens_out=self._usage["output_tokens"],
        )
