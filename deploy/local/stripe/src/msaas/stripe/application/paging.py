"""Lists, newest first, with Stripe's cursors."""

import operator
from collections.abc import Callable, Iterable
from typing import Any

from msaas.stripe.application.routing import Params
from msaas.stripe.domain.errors import ApiError, missing
from msaas.stripe.domain.resources import Resource, public

PAGING = "limit starting_after ending_before "
_DEFAULT_LIMIT, _MAX_LIMIT = 10, 100
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def page(url: str, documents: Iterable[Resource], params: Params) -> Resource:
    """Return one page of the documents, which are given in the order of the list."""
    limit = params.get("limit", _DEFAULT_LIMIT)
    if not 1 <= limit <= _MAX_LIMIT:
        raise ApiError(
            f"Invalid limit: it must be between 1 and {_MAX_LIMIT}.",
            code="parameter_invalid_integer",
            param="limit",
        )
    found = list(documents)
    if "ending_before" in params:
        end = _position(found, params["ending_before"], "ending_before")
        start = max(0, end - limit)
        return _list(url, found[start:end], has_more=start > 0)
    start = 0
    if "starting_after" in params:
        start = _position(found, params["starting_after"], "starting_after") + 1
    return _list(url, found[start : start + limit], has_more=start + limit < len(found))


def newest_first(documents: Iterable[Resource]) -> list[Resource]:
    return list(documents)[::-1]


def is_in_range(value: int, bounds: Any) -> bool:
    """Compare with a filter such as `created`: a value, or bounds by name."""
    if bounds is None:
        return True
    if isinstance(bounds, int):
        return value == bounds
    return all(_COMPARISONS[name](value, bound) for name, bound in bounds.items())


def _position(documents: list[Resource], identifier: str, param: str) -> int:
    for position, document in enumerate(documents):
        if document["id"] == identifier:
            return position
    raise missing("object", identifier, param)


def _list(url: str, documents: list[Resource], *, has_more: bool) -> Resource:
    return {
        "object": "list",
        "data": [public(document) for document in documents],
        "has_more": has_more,
        "url": url,
    }
