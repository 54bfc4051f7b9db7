"""Answers of models that are recorded once in a file and given again from it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from msaas.agents.adapters.models.prices import most_usage
from msaas.agents.application.ports import ModelGateway, OnToken
from msaas.agents.domain.models import ModelAnswer, ModelRequest, TokenUsage


class NotRecorded(LookupError):
    """The file has no answer to a request; its hash and purpose are named, not its text."""


def hash_request(request: ModelRequest) -> str:
    return sha256(json.dumps(asdict(request), sort_keys=True).encode()).hexdigest()


class RecordedModels:
    """A ModelGateway over a JSON file; with `source` it asks that one and records what it says."""

    def __init__(self, path: Path, source: ModelGateway | None = None) -> None:
        self._path = path
        self._source = source
        self._answers: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.calls: list[str] = []

    def bound_cost(self, request: ModelRequest) -> tuple[int, int]:
        if self._source is not None:
            return self._source.bound_cost(request)
        known = self._answers.get(hash_request(request))
        most = most_usage(request)
        return most.tokens_in + most.tokens_out, known["cost_micro_usd"] if known else 0

    async def complete(self, request: ModelRequest, on_token: OnToken | None = None) -> ModelAnswer:
        key = hash_request(request)
        self.calls.append(key)
        if key not in self._answers:
            if self._source is None:
                raise NotRecorded(f"{request.purpose} {key}")
            answer = await self._source.complete(request, on_token)
            self._answers[key] = asdict(answer)
            self._path.write_text(json.dumps(self._answers, indent=1, sort_keys=True) + "\n")
            return answer
        answer = _read(self._answers[key])
        if on_token is not None and request.json_schema is None:
            await on_token(answer.text)
        return answer

    async def close(self) -> None:
        pass


def _read(stored: Mapping[str, Any]) -> ModelAnswer:
    fields: dict[str, Any] = {**stored, "usage": TokenUsage(**stored["usage"])}
    return ModelAnswer(**fields)
