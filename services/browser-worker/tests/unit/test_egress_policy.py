"""Which addresses a page may reach."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.browser_worker.egress.denied_names import DeniedNames
from msaas.browser_worker.egress.own_addresses import (
    build_network,
    list_own_addresses,
    list_own_networks,
    resolve_broker_endpoints,
)
from msaas.browser_worker.egress.policy import EgressPolicy, Refusal, is_public

PUBLIC = ["93.184.215.14", "1.1.1.1", "172.32.0.1", "2606:2800:21f:cb07::1", "2a00:1450:4001::1"]
NON_PUBLIC = [
    *("127.0.0.1", "127.8.9.1", "10.1.2.3", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.192", "192.88.99.1", "198.18.0.1", "203.0.113.5", "224.0.0.1", "240.0.0.1"),
    *(
        "0.0.0.0",  # noqa: S104  # an address, not a binding
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
    ),
    *("::ffff:10.0.0.1", "::ffff:93.184.215.14", "::10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"),
    *("2001::1", "2001:db8::1", "3fff::1", "ff02::1", "not an address", ""),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NON_PUBLIC)
def test_other_addresses_are_blocked(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_form_of_an_ipv4_address_bypasses_the_policy(address: IPv4Address) -> None:
    number = int(address)
    for form in (
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x64FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80),
        IPv6Address(number),
    ):
        assert not is_public(str(form))
    if not address.is_global:
        assert not is_public(str(address))


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("127.0.0.1", 8010, True),
        ("127.0.0.1", 8011, False),
        ("Demo-Site.", 80, True),
        ("demo-site", 8443, True),
        ("demo-site.evil.example", 80, False),
        ("::1", 9000, True),
        ("[::1]", 9000, True),
        ("::1", 9001, False),
    ],
)
def test_hosts_of_the_operator_are_allowed(host: str, port: int, *, allowed: bool) -> None:
    policy = EgressPolicy(("127.0.0.1:8010", "demo-site", "[::1]:9000"))
    assert (policy.find_refusal(host, port, ["127.0.0.1"]) is None) is allowed


def test_one_private_address_among_many_blocks_the_host() -> None:
    assert EgressPolicy().find_refusal("e.com", 443, ["93.184.215.14", "1.1.1.1"]) is None
    assert (
        EgressPolicy().find_refusal("e.com", 443, ["93.184.215.14", "10.0.0.1"]) is Refusal.BLOCKED
    )
    assert EgressPolicy().find_refusal("e.com", 443, []) is Refusal.BLOCKED


@pytest.mark.parametrize(("port", "refusal"), [(443, None), (8080, None), (22, Refusal.PORT)])
def test_only_known_ports_are_reached(port: int, refusal: Refusal | None) -> None:
    assert EgressPolicy().find_refusal("e.com", port, ["1.1.1.1"]) is refusal


@pytest.mark.parametrize(
    ("host", "address", "refusal"),
    [
        ("evil.example", "1.1.1.1", Refusal.DENIED),
        ("a.evil.example", "1.1.1.1", Refusal.DENIED),
        ("notevil.example", "1.1.1.1", None),
        ("other.example", "93.184.215.14", Refusal.DENIED),
        ("metadata.google.internal", "1.1.1.1", Refusal.DENIED),
        ("inside", "10.1.0.6", Refusal.DENIED),
        ("inside", "::ffff:10.1.0.6", Refusal.DENIED),
        ("inside", "10.1.0.7", None),
        ("by-network", "10.2.0.7", None),
        ("ours.example", "1.2.3.4", Refusal.BLOCKED),
    ],
)
def test_a_denied_host_stays_denied_when_it_is_allowed(
    host: str, address: str, refusal: Refusal | None
) -> None:
    policy = EgressPolicy(
        ("inside", "10.2.0.0/16", "metadata.google.internal"),
        denied=(".evil.example", "93.184.215.0/24", "10.1.0.6:443"),
        own_addresses=("1.2.3.4",),
    )
    assert policy.find_refusal(host, 443, [address]) is refusal


async def test_the_broker_is_denied_by_name_and_by_address() -> None:
    async def lookup(host: str) -> list[str]:
        if host == "nowhere":
            raise OSError(host)
        return ["10.0.0.9", "fd00::9"]

    broker_endpoints = await resolve_broker_endpoints("rediss://:pw@redis.internal:6380/0", lookup)
    assert set(broker_endpoints) == {"redis.internal:6380", "10.0.0.9:6380", "[fd00::9]:6380"}
    assert await resolve_broker_endpoints("redis://nowhere", lookup) == ["nowhere:6379"]
    assert await resolve_broker_endpoints("unix:///run/redis.sock", lookup) == []
    policy = EgressPolicy(("10.0.0.9", "redis.internal"), denied=broker_endpoints)
    assert policy.find_refusal("10.0.0.9", 6380, ["10.0.0.9"]) is Refusal.DENIED
    assert policy.find_refusal("redis.internal", 6380, ["1.1.1.1"]) is Refusal.DENIED
    assert policy.find_refusal("10.0.0.9", 80, ["10.0.0.9"]) is None


def test_the_machines_own_addresses_are_known() -> None:
    assert "127.0.0.1" in list_own_addresses()


def test_a_pattern_without_a_host_is_refused() -> None:
    with pytest.raises(ValueError, match="names no host"):
        EgressPolicy((":80",))


async def test_the_addresses_of_denied_names_are_denied_as_they_change() -> None:
    answers: dict[str, list[str]] = {
        "inner.example": ["93.184.215.14"],
        "port.example": ["1.1.1.1"],
    }

    async def lookup(host: str) -> list[str]:
        if host not in answers:
            raise OSError(host)
        return answers[host]

    policy = EgressPolicy(denied=("inner.example", "port.example:443", ".domain", "10.0.0.0/8"))
    names = DeniedNames(
        policy, ("inner.example", "port.example:443", ".domain", "10.0.0.0/8"), lookup
    )
    await names.refresh()
    assert policy.find_refusal("alias.example", 443, ["93.184.215.14"]) is Refusal.DENIED
    assert policy.find_refusal("alias.example", 443, ["1.1.1.1"]) is Refusal.DENIED
    assert policy.find_refusal("alias.example", 80, ["1.1.1.1"]) is None
    answers["inner.example"] = ["93.184.215.15"]
    del answers["port.example"]
    await names.refresh()
    assert policy.find_refusal("alias.example", 443, ["93.184.215.14"]) is None
    assert policy.find_refusal("alias.example", 443, ["93.184.215.15"]) is Refusal.DENIED
    assert policy.find_refusal("alias.example", 443, ["1.1.1.1"]) is Refusal.DENIED


@pytest.mark.parametrize(
    ("address", "netmask", "network"),
    [
        ("93.184.215.14", "255.255.240.0", "93.184.208.0/20"),
        ("2606:2800::1%eth0", "ffff:ffff:ffff:ffff::", "2606:2800::/64"),
        ("93.184.215.14", None, "93.184.215.14/32"),
        ("93.184.215.14", "0.0.0.0", "93.184.215.14/32"),  # noqa: S104  # a netmask
        ("02:42:ac:11:00:02", None, None),
    ],
)
def test_the_networks_of_the_machines_interfaces_are_denied(
    address: str, netmask: str | None, network: str | None
) -> None:
    assert build_network(address, netmask) == network
    policy = EgressPolicy(own_addresses=[network] if network else ())
    neighbour = "93.184.208.9"
    expected = Refusal.BLOCKED if network == "93.184.208.0/20" else None
    assert policy.find_refusal("neighbour.example", 443, [neighbour]) is expected


def test_the_own_networks_hold_the_own_addresses() -> None:
    policy = EgressPolicy(own_addresses=list_own_networks())
    for address in list_own_addresses():
        assert policy.find_refusal("own.example", 443, [address]) is Refusal.BLOCKED


@pytest.mark.parametrize("port", [443, 6379])
def test_a_user_cannot_learn_which_names_exist(port: int) -> None:
    policy = EgressPolicy(("known.example",), denied=("denied.example",))
    hidden = (Refusal.BLOCKED, Refusal.DENIED, Refusal.UNKNOWN_HOST)
    reported = {policy.find_reported_refusal(refusal, "a.example", port) for refusal in hidden}
    assert reported == {Refusal.BLOCKED if port == 443 else Refusal.PORT}
    unknown = policy.find_reported_refusal(Refusal.UNKNOWN_HOST, "known.example", port)
    assert unknown is Refusal.UNKNOWN_HOST
