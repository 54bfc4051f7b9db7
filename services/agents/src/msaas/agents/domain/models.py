"""What is asked of a language model, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]
Purpose = Literal["plan", "read", "write", "repair", "heal", "compare"]
Finish = Literal["stop", "length", "refused"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One call of a model.

    With `json_schema` the answer is one JSON object that fits it. `passages` are what an extractive
    provider answers from; the others find the same text in `messages`.
    """

    purpose: Purpose
    messages: tuple[ChatMessage, ...]
    max_tokens: int
    json_schema: Mapping[str, Any] | None = None
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """`parsed` is the JSON object where the request has a schema and the model has not refused."""

    text: str
    parsed: Mapping[str, Any] | None = None
    usage: TokenUsage
    cost_micro_usd: int
    provider: str
    model: str
    finish: Finish = "stop"
