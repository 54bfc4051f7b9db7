"""The client address of a request behind trusted and untrusted proxies."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from msaas.web import ClientAddressResolver

OURS = ClientAddressResolver(["10.0.0.0/8", "2001:db8:ffff::/48"])


def request(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"client": (peer, 1234) if peer else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("1.2.3.4",), "203.0.113.9"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("1.2.3.4",), "1.2.3.4"),
        ("10.0.0.1", ("6.6.6.6, 1.2.3.4",), "1.2.3.4"),
        ("10.0.0.1", ("6.6.6.6, 1.2.3.4, 10.2.0.1",), "1.2.3.4"),
        ("10.0.0.1", ("6.6.6.6", "1.2.3.4"), "1.2.3.4"),
        ("10.0.0.1", ("10.3.0.1, 10.2.0.1",), "10.3.0.1"),
        ("10.0.0.1", ("1.2.3.4:5678",), "1.2.3.4"),
        ("10.0.0.1", ("[2001:db8::7]:443",), "2001:db8::/64"),
        ("10.0.0.1", ("1.2.3.4, nonsense, 10.2.0.1",), "10.2.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("2001:db8:1:2:3::4", (), "2001:db8:1:2::/64"),
        ("2001:db8:ffff::1", ("2001:db8:7:7::1",), "2001:db8:7:7::/64"),
        ("::ffff:10.0.0.1", ("::ffff:1.2.3.4",), "1.2.3.4"),
        ("fe80::1%eth0", (), "fe80::/64"),
        ("testclient", ("1.2.3.4",), "unknown"),
        (None, ("1.2.3.4",), "unknown"),
    ],
)
def test_the_client_is_the_last_hop_before_a_trusted_proxy(
    peer: str | None, forwarded: tuple[str, ...], client: str
) -> None:
    assert OURS.resolve(request(peer, *forwarded)) == client


def test_a_proxy_that_is_not_an_address_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        ClientAddressResolver(["nonsense"])


@given(forged=st.lists(st.text(st.characters(max_codepoint=255, exclude_characters=","))))
def test_headers_from_the_client_never_change_its_address(forged: list[str]) -> None:
    forwarded = ", ".join([*forged, "1.2.3.4"])
    assert OURS.resolve(request("10.0.0.1", forwarded)) == "1.2.3.4"
    assert OURS.resolve(request("203.0.113.9", forwarded)) == "203.0.113.9"
