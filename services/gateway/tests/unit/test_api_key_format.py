"""The format of a key: its checksum, its prefix, and that no part of it is stored or logged."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.gateway.domain.api_keys import build_key, display_prefix, hash_key, is_well_formed
from msaas.telemetry import redact_text

SCANNED = re.compile(r"\bmsaas_key_[0-9A-Za-z]{49}\b")
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

entropies = st.binary(min_size=32, max_size=32)
keys = entropies.map(build_key)


@given(keys)
def test_every_key_is_found_by_scanners_and_hidden_from_logs(key: str) -> None:
    assert is_well_formed(key)
    assert SCANNED.fullmatch(key)
    assert key not in redact_text(f"called with {key} as it seems")


@given(entropies, entropies)
def test_no_two_keys_are_alike(one: bytes, other: bytes) -> None:
    assert (build_key(one) == build_key(other)) == (one == other)


@given(keys, st.integers(10, 58), st.sampled_from(DIGITS))
def test_one_wrong_character_is_detected(key: str, position: int, character: str) -> None:
    changed = key[:position] + character + key[position + 1 :]
    assert is_well_formed(changed) == (changed == key)


@given(st.text(max_size=70) | st.text(DIGITS, min_size=49, max_size=49).map("msaas_key_".__add__))
def test_arbitrary_text_is_refused_without_an_exception(text: str) -> None:
    assert is_well_formed(text) in {True, False}
    assert not is_well_formed(text + "x")


@given(keys, keys)
def test_a_hash_depends_on_pepper_and_key_and_shows_neither(one: str, other: str) -> None:
    assert len(hash_key(b"pepper", one)) == 32
    assert (hash_key(b"pepper", one) == hash_key(b"pepper", other)) == (one == other)
    assert hash_key(b"pepper", one) != hash_key(b"salt", one)
    assert len(display_prefix(one)) == 16


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_is_made_of_enough_randomness(size: int) -> None:
    with pytest.raises(ValueError, match="32"):
        build_key(b"x" * size)
