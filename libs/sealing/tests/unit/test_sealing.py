"""A sealed value unseals unchanged with its key and in its context, and in no other way."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.sealing import (
    SEALED_KEY,
    InvalidSeal,
    InvalidSealingKey,
    PrivateKey,
    Sealer,
    UnknownSealingKey,
    Unsealer,
    is_sealed,
)

KEY, OTHER = PrivateKey.generate(), PrivateKey.generate()
SEALER, UNSEALER = Sealer(KEY.public), Unsealer([KEY])
CONTEXT = ("job-1", "password")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@given(value=values, context=st.lists(texts, max_size=3))
def test_a_value_comes_back_as_it_was(value: Any, context: list[str]) -> None:
    sealed = SEALER.seal(value, *context)
    assert is_sealed(json.loads(json.dumps(sealed)))
    assert UNSEALER.unseal(sealed, *context) == value


@given(context=st.lists(texts, max_size=3), other=st.lists(texts, max_size=3))
def test_it_opens_with_its_own_context_only(context: list[str], other: list[str]) -> None:
    sealed = SEALER.seal("hunter2", *context)
    if context == other:
        assert UNSEALER.unseal(sealed, *other) == "hunter2"
    else:
        with pytest.raises(InvalidSeal):
            UNSEALER.unseal(sealed, *other)


@given(at=st.integers(0, 10**6), change=st.integers(1, 63))
def test_any_changed_character_is_detected(at: int, change: int) -> None:
    head, _, body = SEALER.seal("hunter2", *CONTEXT)[SEALED_KEY].rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at %= len(body.rstrip("=")) - 1  # the last character has unused bits
    replaced = alphabet[(alphabet.index(body[at]) + change) % 64]
    with pytest.raises(InvalidSeal):
        UNSEALER.unseal({SEALED_KEY: f"{head}.{body[:at]}{replaced}{body[at + 1 :]}"}, *CONTEXT)


def test_the_same_value_is_sealed_differently_each_time() -> None:
    assert SEALER.seal("hunter2", *CONTEXT) != SEALER.seal("hunter2", *CONTEXT)


def test_an_earlier_key_still_unseals_its_values() -> None:
    sealed = SEALER.seal("hunter2", *CONTEXT)
    assert Unsealer([OTHER, KEY]).unseal(sealed, *CONTEXT) == "hunter2"
    with pytest.raises(UnknownSealingKey):
        Unsealer([OTHER]).unseal(sealed, *CONTEXT)


@pytest.mark.parametrize(
    "text", ["", "v1", "v1.x", "v1.x.***", "v1.x.AAAA", "v9." + "A" * 60, "...."]
)
def test_an_invalid_seal_is_refused(text: str) -> None:
    with pytest.raises((InvalidSeal, UnknownSealingKey)):
        UNSEALER.unseal({SEALED_KEY: text}, *CONTEXT)


@pytest.mark.parametrize(
    "value",
    [None, "x", {}, {SEALED_KEY: 1}, {SEALED_KEY: "x", "more": 1}, [SEALED_KEY], {"sealed": "x"}],
)
def test_other_values_are_not_taken_for_sealed_ones(value: Any) -> None:
    assert not is_sealed(value)


@pytest.mark.parametrize("parse", [PrivateKey.parse, type(KEY.public).parse])
@pytest.mark.parametrize("text", ["", "x", "00000000:AAAA", "id:***", f"00000000:{'A' * 43}"])
def test_an_invalid_key_is_refused(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(InvalidSealingKey):
        parse(text)


def test_keys_are_exported_and_parsed_and_their_secret_is_not_printed() -> None:
    exported = KEY.export()
    assert PrivateKey.parse(exported) == KEY
    assert type(KEY.public).parse(str(KEY.public)) == KEY.public
    assert exported.partition(":")[0] == KEY.public.id
    assert exported.partition(":")[2] not in f"{KEY} {KEY!r} {[KEY]}"


@pytest.mark.parametrize("public", [bytes(32), b"\1" + bytes(31)])
def test_an_ephemeral_key_of_low_order_is_an_invalid_seal(public: bytes) -> None:
    body = base64.urlsafe_b64encode(public + bytes(32)).decode()
    with pytest.raises(InvalidSeal):
        UNSEALER.unseal({SEALED_KEY: f"v1.{KEY.public.id}.{body}"}, *CONTEXT)
