"""Finds values that are only acceptable on a developer's machine."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_LOCAL_SECRETS: Final = frozenset(
    {"admin", "changeme", "default", "dev", "local", "minioadmin", "msaas", "password", "postgres"}
    | {"redis", "secret", "test"}
)
_LOCAL_NAMES: Final = ("localhost", "localhost.localdomain", "host.docker.internal")
_UNIX_SOCKET_HOSTS: Final = frozenset({"", "unix"})  # a socket on this machine
_ENCRYPTED_SCHEMES: Final = {"http": "https://", "ws": "wss://", "redis": "rediss://"}
_POSTGRES_SCHEMES: Final = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
_VERIFIED: Final = "verify-full"  # "require" encrypts for whoever answers, "verify-ca" for any host


def find_default_secret(value: str) -> str | None:
    """Return the fault of a secret, or of the password in a URL."""
    secret = (_parse_url(value).password if "://" in value else value) or ""
    if unquote(secret).lower() in _LOCAL_SECRETS:
        return "contains a well-known password"
    return None


def find_insecure_url(value: str) -> str | None:
    """Return why a URL must not be used between machines, or None."""
    if "://" not in value:
        return None
    url = _parse_url(value)
    if any(_is_local(host) for host in _list_hosts(url)):
        return "points to localhost"
    if url.scheme in _ENCRYPTED_SCHEMES:
        return f"is not encrypted: use {_ENCRYPTED_SCHEMES[url.scheme]}"
    if url.scheme in _POSTGRES_SCHEMES and not _postgres_is_verified(url):
        return "does not verify the server: use sslmode=verify-full"
    return None


def _parse_url(value: str) -> SplitResult:
    try:
        return urlsplit(value)
    except ValueError:  # the brackets do not match
        return SplitResult("", "", "", "", "")


def _list_hosts(url: SplitResult) -> list[str]:
    """List the hosts without their ports: libpq takes several, separated by commas."""
    netlocs = url.netloc.lower().rpartition("@")[2].split(",")
    return [
        netloc[1:].partition("]")[0] if netloc.startswith("[") else netloc.partition(":")[0]
        for netloc in netlocs
    ]


def _is_local(host: str) -> bool:
    name = host.rstrip(".")
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return name in _UNIX_SOCKET_HOSTS
    return address.is_loopback or address.is_unspecified


def _postgres_is_verified(url: SplitResult) -> bool:
    query = parse_qs(url.query)
    modes = query.get("sslmode", [])
    return bool(modes) and {*modes, *query.get("ssl", [])} == {_VERIFIED}
