"""What an address is: its host, the links of a text, and data that an address may carry away."""

import base64
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, unquote_plus, urlsplit

MAX_URL: Final = 2_048
MAX_QUERY: Final = 256
MAX_PATH: Final = 512
CARRIED_BY_QUERY: Final = 12
CARRIED_BY_PATH: Final = 24
"""Letters and digits from which a text of elsewhere counts as carried; paths name things too."""

_PORTS: Final = {"http": 80, "https": 443}
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\\u2028\u2029]")
_PLAIN_HOST: Final = re.compile(
    r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.?(?::[0-9]{1,5})?", re.IGNORECASE
)
_NUMERIC_HOST: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+)){0,3}\.?")
_LINK: Final = re.compile(
    r"(?<!!)\[([^\]\n]{0,300})\]\(<?(https?://[^\s<>()]+(?:\([^\s<>()]*\))?[^\s<>()]*)"
)
_BARE_LINK: Final = re.compile(r"<(https?://[^\s<>]+)>")
_RUN: Final = re.compile(r"[A-Za-z0-9]{20,}")
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]{24,}")
_CODED: Final = re.compile(r"[A-Za-z0-9+_-]{8,}={0,2}")
_ENTROPY: Final = 3.5
_CAPITALS: Final = 0.25


@dataclass(frozen=True, slots=True)
class PageLink:
    url: str
    label: str


def find_links(text: str) -> list[PageLink]:
    """Return the links of Markdown without fragments; an address has one for each of its labels."""
    found = [(match.group(2), match.group(1)) for match in _LINK.finditer(text)]
    found += [(match.group(1), "") for match in _BARE_LINK.finditer(text)]
    links = (PageLink(url.partition("#")[0], " ".join(label.split())) for url, label in found)
    return list(dict.fromkeys(links))


def split_url(url: str) -> SplitResult | None:
    """Return the parts of an absolute http address, or None for everything else."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in _PORTS and parts.hostname else None


def host_of(url: str) -> tuple[str, int] | None:
    """Return host and port; an address without a port has that of its scheme."""
    if (parts := split_url(url)) is None:
        return None
    return (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme]


def leads_within(requested: str, final: str) -> bool:
    """Whether a redirect stayed on its host; www and a change to https count as staying."""
    before, after = host_of(requested), host_of(final)
    if before is None or after is None:
        return False
    same_name = before[0].removeprefix("www.") == after[0].removeprefix("www.")
    return same_name and (before[1] == after[1] or {before[1], after[1]} == {80, 443})


def find_fault(url: str) -> str | None:
    """Return why no page may be opened at this address, whoever gives it."""
    if len(url) > MAX_URL:
        return "url_too_long"
    if _UNSAFE.search(url):
        return "url_malformed"
    scheme = url.partition(":")[0].lower()
    if scheme not in _PORTS:
        return "url_scheme"
    parts = split_url(url)
    if parts is None:
        return "url_malformed"
    return "url_credentials" if "@" in parts.netloc else None


def find_foreign_fault(url: str) -> str | None:
    """Return why an address that a page gives is refused, before its host is looked at."""
    if fault := find_fault(url):
        return fault
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if _is_numeric(host):
        return "url_ip_literal"
    if not _PLAIN_HOST.fullmatch(parts.netloc):
        return "url_malformed"
    return None if parts.port in {None, *_PORTS.values()} else "url_port"


def _is_numeric(host: str) -> bool:
    if _NUMERIC_HOST.fullmatch(host):
        return True
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def find_cargo(url: str, foreign: Sequence[str], private: Sequence[str] = ()) -> str | None:
    """Return what an address may carry: too much, something encoded, or text from elsewhere.

    `foreign` are squeezed texts of other hosts; `private` are those of the user, which may name a
    path.
    """
    parts = urlsplit(url)
    values = f"{parts.query}&{parts.fragment}"
    if len(values) > MAX_QUERY or len(parts.path) > MAX_PATH:
        return "url_too_long"
    if "%25" in url or "://" in unquote_plus(values):
        return "url_encoded"
    whole = f"{parts.path}&{values}"
    if any(map(_looks_encoded, _RUN.findall(unquote_plus(whole)))):
        return "url_high_entropy"
    if _carries(values, CARRIED_BY_QUERY, (*foreign, *private)):
        return "url_carries_text"
    return "url_carries_text" if _carries(parts.path, CARRIED_BY_PATH, foreign) else None


def _looks_encoded(run: str) -> bool:
    if _HEXADECIMAL.fullmatch(run):
        return True
    capitals = sum(map(str.isupper, run)) / len(run)
    mixed = any(map(str.isdigit, run)) or _CAPITALS < capitals < 1
    counts = Counter(run).values()
    entropy = -sum(count / len(run) * math.log2(count / len(run)) for count in counts)
    return mixed and entropy > _ENTROPY


def squeeze(text: str) -> str:
    """Return the letters and digits alone: a text split by signs is the same text."""
    return "".join(filter(str.isalnum, text.lower()))


def _carries(part: str, least: int, squeezed: Sequence[str]) -> bool:
    pieces = [squeeze(piece) for piece in _spell(part)]
    windows = {piece[at : at + least] for piece in pieces for at in range(len(piece) - least + 1)}
    return any(window in text for text in squeezed for window in windows)


def _spell(part: str) -> Iterator[str]:
    """Yield a part of an address as it is, backwards, and decoded from base64 and hexadecimal."""
    plain = unquote_plus(part)
    yield plain
    yield plain[::-1]
    for run in _CODED.findall(plain):
        with suppress(ValueError):
            yield bytes.fromhex(run).decode()
        with suppress(ValueError):
            padded = run.rstrip("=") + "=" * (-len(run.rstrip("=")) % 4)
            yield base64.urlsafe_b64decode(padded).decode()
