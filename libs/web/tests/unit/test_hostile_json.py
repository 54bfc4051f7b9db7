"""What a body costs is bounded before it is parsed."""

import pytest

from msaas.contracts import MAX_DATA
from msaas.web import BODY_LIMIT, Malformed
from msaas.web.middleware.body_validation import MAX_CONTAINERS, parse_json


def test_a_body_is_no_larger_than_a_message_may_be() -> None:
    assert BODY_LIMIT == MAX_DATA


def test_nesting_is_found_without_parsing() -> None:
    # The document is not JSON either, which only a parser would say.
    with pytest.raises(Malformed, match="nesting"):
        parse_json(b"[" * 1_000 + b"not json")


@pytest.mark.parametrize("part", [b"[],", b"{},", b'{"a":[]},'])
def test_a_body_of_many_small_containers_is_refused_without_parsing(part: bytes) -> None:
    many = part * (MAX_CONTAINERS + 1)
    with pytest.raises(Malformed, match="arrays and objects"):
        parse_json(b"[" + many + b"not json")
    assert len(many) < BODY_LIMIT


def test_brackets_in_text_are_text() -> None:
    text = "{[" * MAX_CONTAINERS + '\\"[{\\\\'
    assert parse_json(b'{"css": "' + text.encode() + b'"}')
