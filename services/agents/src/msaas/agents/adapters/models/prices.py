"""What tokens cost, and the most that a request can use."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

import orjson

from msaas.agents.domain.models import ModelRequest, TokenUsage


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """US dollars for a million tokens, which are millionths of a dollar for one token."""

    input: Decimal
    output: Decimal

    def cost(self, usage: TokenUsage) -> int:
        """Return millionths of a dollar, rounded up."""
        exact = usage.tokens_in * self.input + usage.tokens_out * self.output
        return int(exact.to_integral_value(ROUND_CEILING))


FREE: Final = TokenPrice(Decimal(0), Decimal(0))


def _price(dollars_in: str, dollars_out: str) -> TokenPrice:
    return TokenPrice(Decimal(dollars_in), Decimal(dollars_out))


# Published list prices; a setting replaces and adds to them.
KNOWN_PRICES: Final[Mapping[str, TokenPrice]] = {
    "gpt-4.1": _price("2", "8"),
    "gpt-4.1-mini": _price("0.4", "1.6"),
    "gpt-4.1-nano": _price("0.1", "0.4"),
    "gpt-4o": _price("2.5", "10"),
    "gpt-4o-mini": _price("0.15", "0.6"),
    "gpt-5": _price("1.25", "10"),
    "gpt-5-mini": _price("0.25", "2"),
    "gpt-5-nano": _price("0.05", "0.4"),
    "claude-haiku-4-5": _price("1", "5"),
    "claude-sonnet-4-5": _price("3", "15"),
    "claude-opus-4-5": _price("5", "25"),
}

_PER_REQUEST: Final = 64
_PER_MESSAGE: Final = 16
_FOR_A_SCHEMA: Final = 1_024  # providers add a text of their own about the form of the answer


def most_tokens_in(request: ModelRequest) -> int:
    """Return a bound: no tokenizer in use makes more tokens than there are bytes."""
    texts = sum(len(each.text.encode(errors="replace")) for each in request.messages)
    schema = 0
    if request.json_schema is not None:
        schema = len(orjson.dumps(request.json_schema)) + _FOR_A_SCHEMA
    return texts + schema + _PER_MESSAGE * len(request.messages) + _PER_REQUEST


def most_usage(request: ModelRequest) -> TokenUsage:
    return TokenUsage(tokens_in=most_tokens_in(request), tokens_out=request.max_tokens)
