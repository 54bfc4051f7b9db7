"""Reads an answer that has to be one JSON object of a given form."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import UnknownType, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from msaas.agents.domain.models import ChatMessage, ModelRequest

MAX_QUOTED: Final = 2_000
MAX_FAULT: Final = 300
_FENCE: Final = "```"


class InvalidAnswer(ValueError):
    """The text is no JSON object of the given form; the message says what is wrong."""


def read_json(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    value = _parse(text)
    if not isinstance(value, dict):
        raise InvalidAnswer("The answer is no JSON object.")
    try:
        registry: Registry[Any] = Registry()
        error = next(_validator()(dict(schema), registry=registry).iter_errors(value), None)
    except (Unresolvable, UnknownType, RecursionError, TypeError, AttributeError) as fault:
        raise InvalidAnswer("The schema cannot be used.") from fault
    if error is not None:
        raise InvalidAnswer(f"At {error.json_path}: {error.message}"[:MAX_FAULT])
    return cast("dict[str, Any]", value)


def repair_request(request: ModelRequest, text: str, fault: str) -> ModelRequest:
    """Ask once more, with the beginning of the wrong answer and its fault."""
    quoted = text.encode(errors="replace")[:MAX_QUOTED].decode(errors="ignore")
    return replace(
        request,
        messages=(
            *request.messages,
            ChatMessage("assistant", quoted or "(nothing)"),
            ChatMessage(
                "user",
                f"That answer cannot be used: {fault} "
                "Answer again with one JSON object that fits the schema, and with nothing else.",
            ),
        ),
    )


def most_repair_tokens() -> int:
    """Return how many tokens `repair_request` adds at most."""
    return MAX_QUOTED + 4 * MAX_FAULT + 500


def _parse(text: str) -> Any:
    text = text.strip()
    if text.startswith(_FENCE):  # some servers wrap JSON in a block of code
        text = text.strip("`").removeprefix("json").strip()
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidAnswer("The answer is not valid JSON.") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


@cache
def _validator() -> Any:
    """Build a validator that runs no regular expression of a user, which could take forever."""
    usual = Draft202012Validator.VALIDATORS["additionalProperties"]

    def nothing(*_: Any) -> Iterator[ValidationError]:
        return iter(())

    def additional(
        validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        if "patternProperties" not in schema:
            yield from usual(validator, value, instance, schema) or ()

    library: Any = validators  # open in its stubs
    return library.extend(
        Draft202012Validator,
        {
            "pattern": nothing,
            "patternProperties": nothing,
            "unevaluatedProperties": nothing,
            "additionalProperties": additional,
        },
    )
