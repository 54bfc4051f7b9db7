"""From what Playwright and the network say to a reason that a user can act on."""

import re
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from msaas.browser_worker.guard import Refusal
from msaas.worker import ActionFailed

_NET_ERROR: Final = re.compile(r"net::(ERR_[A-Z0-9_]+)")
_PORTS: Final = {"http": 80, "https": 443}
# They say the same the next time: the address, the certificate or the answer itself is at fault.
_LASTING: Final = (
    *("ERR_NAME_NOT_RESOLVED", "ERR_INVALID_", "ERR_UNKNOWN_URL_SCHEME", "ERR_DISALLOWED_"),
    *("ERR_UNSAFE_", "ERR_TOO_MANY_REDIRECTS", "ERR_CERT_", "ERR_SSL_", "ERR_BLOCKED_BY_"),
    *("ERR_ABORTED", "ERR_RESPONSE_HEADERS_", "ERR_FILE_", "ERR_ACCESS_DENIED"),
)


class _Words(NamedTuple):
    reason: str
    said: str
    retryable: bool


class Excess(StrEnum):
    """What a page may not have more of, or not at all."""

    BYTES = "bytes"
    MEMORY = "memory"
    NODES = "nodes"
    REDIRECTS = "redirects"
    POPUPS = "popups"
    DIALOGS = "dialogs"
    SCHEME = "scheme"


_BLOCKED: Final = _Words(
    "address_blocked", "The page leads to an address that may not be visited.", retryable=False
)
_BY_EXCESS: Final = {
    Excess.BYTES: _Words("page_too_large", "The page loads too much.", retryable=False),
    Excess.MEMORY: _Words("page_too_large", "The page needs too much memory.", retryable=False),
    Excess.NODES: _Words("page_too_large", "The page has too many elements.", retryable=False),
    Excess.REDIRECTS: _Words(
        "navigation_failed", "The page redirects too many times.", retryable=False
    ),
    Excess.POPUPS: _Words("page_abusive", "The page opens too many windows.", retryable=False),
    Excess.DIALOGS: _Words("page_abusive", "The page opens too many dialogs.", retryable=False),
    Excess.SCHEME: _BLOCKED,
}
_CRASHED: Final = _Words("page_crashed", "The page made its process crash.", retryable=True)
_BY_REFUSAL: Final = {
    Refusal.BLOCKED: _BLOCKED,
    Refusal.DENIED: _BLOCKED,
    Refusal.PORT: _Words(
        "address_blocked", "The page leads to a port that may not be visited.", retryable=False
    ),
    Refusal.SPENT: _BY_EXCESS[Excess.BYTES],
    Refusal.UNKNOWN_HOST: _Words(
        "navigation_failed", "There is no host of that name.", retryable=False
    ),
    Refusal.UNREACHABLE: _Words(
        "navigation_failed", "The page's server cannot be reached.", retryable=True
    ),
}
# Looked for in this order in what Playwright says.
_BY_PHRASE: Final = {
    "Download is starting": _Words(
        "download_refused", "The address leads to a download, not to a page.", retryable=False
    ),
    "timezone": _Words("invalid_payload", "There is no such time zone.", retryable=False),
    "crashed": _CRASHED,
    "while parsing": _Words("invalid_payload", "A selector is not valid.", retryable=False),
    "selector": _Words("invalid_payload", "The selector is not valid.", retryable=False),
    "closed": _Words("page_failed", "The page closed itself.", retryable=True),
    "": _Words("page_failed", "The page could not be read.", retryable=True),
}


def explain(error: PlaywrightError, refusal: Refusal | None = None) -> ActionFailed:
    """Explain a failed step; `refusal` is why the proxy refused the page's host, where it did."""
    if isinstance(error, PlaywrightTimeout):
        return ActionFailed("timeout", "The page took too long.", retryable=True)
    if net := _NET_ERROR.search(error.message):
        return explain_net(net.group(1), refusal)
    return next(_fail(words) for phrase, words in _BY_PHRASE.items() if phrase in error.message)


def explain_lost_page(refusal: Refusal | None) -> ActionFailed:
    """Explain a page that opened, and then led somewhere that did not."""
    return _fail(_BY_REFUSAL[refusal or Refusal.UNREACHABLE])


def explain_excess(excess: Excess) -> ActionFailed:
    return _fail(_BY_EXCESS[excess])


def explain_crash(*, was_slain: bool) -> ActionFailed:
    """Explain a page whose process has ended, by itself or because it held too much memory."""
    return explain_excess(Excess.MEMORY) if was_slain else _fail(_CRASHED)


def explain_no_browser() -> ActionFailed:
    return ActionFailed(
        "browser_unavailable", "The browser ended or did not start.", retryable=True
    )


def explain_net(code: str, refusal: Refusal | None = None) -> ActionFailed:
    if refusal and "SOCKS" in code:
        return _fail(_BY_REFUSAL[refusal])
    words = f"The page could not be opened: {code}."
    return ActionFailed("navigation_failed", words, retryable=not code.startswith(_LASTING))


def _fail(words: _Words) -> ActionFailed:
    return ActionFailed(words.reason, words.said, retryable=words.retryable)


def place_of(url: str) -> tuple[str, int]:
    """Name host and port as the proxy was asked for them."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
