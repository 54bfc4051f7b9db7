"""OpenAI's Chat Completions, which many other servers speak too."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from msaas.agents.adapters.models.http_provider import read_json_event
from msaas.agents.adapters.models.provider import ProviderAnswer, ProviderFailed
from msaas.agents.adapters.models.sse import ServerEvent
from msaas.agents.domain.models import Finish, ModelRequest, TokenUsage

OPENAI_URL: Final = "https://api.openai.com/v1"
_OWN_HOST: Final = "api.openai.com"
_FINISHES: Final[Mapping[str, Finish]] = {"length": "length", "content_filter": "refused"}


class OpenAiFormat:
    path: str = "/chat/completions"

    def __init__(self, url: str) -> None:
        # OpenAI's reasoning models refuse the old name, and most other servers know no other.
        own = urlsplit(url).hostname == _OWN_HOST
        self._limit = "max_completion_tokens" if own else "max_tokens"

    def headers(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, model: str, request: ModelRequest) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": each.role, "content": each.text} for each in request.messages],
            self._limit: request.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.json_schema is not None:
            schema = {"name": "answer", "schema": dict(request.json_schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def start_answer(self) -> "OpenAiAnswer":
        return OpenAiAnswer()


class OpenAiAnswer:
    def __init__(self) -> None:
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reason: str | None = None
        self._usage: TokenUsage | None = None

    def take(self, event: ServerEvent) -> str:
        if event.data == "[DONE]":
            return ""
        chunk = read_json_event(event)
        if "error" in chunk:
            raise ProviderFailed("server_error", may_cost=True)
        self._take_usage(chunk.get("usage"))
        choices: list[dict[str, Any]] = chunk.get("choices") or [{}]
        return self._take_choice(choices[0])

    def finish(self) -> ProviderAnswer | None:
        if self._reason is None:
            return None
        finish: Finish = "refused" if self._refusal else _FINISHES.get(self._reason, "stop")
        text = "".join(self._refusal or self._text)
        return ProviderAnswer(text=text, finish=finish, usage=self._usage)

    def _take_choice(self, choice: Mapping[str, Any]) -> str:
        self._reason = choice.get("finish_reason") or self._reason
        delta: Mapping[str, Any] = choice.get("delta") or {}
        if refusal := delta.get("refusal"):
            self._refusal.append(str(refusal))
        text = str(delta.get("content") or "")
        self._text.append(text)
        return text

    def _take_usage(self, usage: Mapping[str, Any] | None) -> None:
        if usage:
            self._usage = TokenUsage(
                tokens_in=int(usage.get("prompt_tokens") or 0),
                tokens_out=int(usage.get("completion_tokens") or 0),
            )
