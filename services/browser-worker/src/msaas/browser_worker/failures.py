"""Maps errors of Playwright and of the network to failure reasons for users."""

import re
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from msaas.browser_worker.egress.policy import Refusal
from msaas.worker import ActionFailed

_NET_ERROR: Final = re.compile(r"net::(ERR_[A-Z0-9_]+)")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# A retry gives the same error: the URL, the certificate or the response is at fault.
_PERMANENT_NET_ERRORS: Final = (
    *("ERR_NAME_NOT_RESOLVED", "ERR_INVALID_", "ERR_UNKNOWN_URL_SCHEME", "ERR_DISALLOWED_"),
    *("ERR_UNSAFE_", "ERR_TOO_MANY_REDIRECTS", "ERR_CERT_", "ERR_SSL_", "ERR_BLOCKED_BY_"),
    *("ERR_ABORTED", "ERR_RESPONSE_HEADERS_", "ERR_FILE_", "ERR_ACCESS_DENIED"),
)


class _FailureText(NamedTuple):
    reason: str
    message: str
    retryable: bool


class ExceededLimit(StrEnum):
    """The limits that a page can exceed."""

    BYTES = "bytes"
    MEMORY = "memory"
    NODES = "nodes"
    REDIRECTS = "redirects"
    POPUPS = "popups"
    DIALOGS = "dialogs"
    SCHEME = "scheme"


_BLOCKED: Final = _FailureText(
    "address_blocked", "The page's address does not exist, or is not allowed.", retryable=False
)
_TEXT_BY_LIMIT: Final = {
    ExceededLimit.BYTES: _FailureText(
        "page_too_large", "The page loads too much.", retryable=False
    ),
    ExceededLimit.MEMORY: _FailureText(
        "page_too_large", "The page needs too much memory.", retryable=False
    ),
    ExceededLimit.NODES: _FailureText(
        "page_too_large", "The page has too many elements.", retryable=False
    ),
    ExceededLimit.REDIRECTS: _FailureText(
        "navigation_failed", "The page redirects too many times.", retryable=False
    ),
    ExceededLimit.POPUPS: _FailureText(
        "page_abusive", "The page opens too many windows.", retryable=False
    ),
    ExceededLimit.DIALOGS: _FailureText(
        "page_abusive", "The page opens too many dialogs.", retryable=False
    ),
    ExceededLimit.SCHEME: _BLOCKED,
}
_CRASHED: Final = _FailureText("page_crashed", "The page crashed.", retryable=True)
_TEXT_BY_REFUSAL: Final = {
    Refusal.BLOCKED: _BLOCKED,
    Refusal.DENIED: _BLOCKED,
    Refusal.PORT: _FailureText(
        "address_blocked", "The page's port is not allowed.", retryable=False
    ),
    Refusal.LIMIT_EXCEEDED: _TEXT_BY_LIMIT[ExceededLimit.BYTES],
    Refusal.UNKNOWN_HOST: _FailureText(
        "navigation_failed", "The host name could not be resolved.", retryable=False
    ),
    Refusal.UNREACHABLE: _FailureText(
        "navigation_failed", "The page's server cannot be reached.", retryable=True
    ),
}
# Searched for in this order in Playwright's message.
_TEXT_BY_PHRASE: Final = {
    "Download is starting": _FailureText(
        "download_refused", "The address leads to a download, not to a page.", retryable=False
    ),
    "timezone": _FailureText("invalid_payload", "Unknown time zone.", retryable=False),
    "crashed": _CRASHED,
    "while parsing": _FailureText("invalid_payload", "A selector is not valid.", retryable=False),
    "selector": _FailureText("invalid_payload", "The selector is not valid.", retryable=False),
    "closed": _FailureText("page_failed", "The page closed itself.", retryable=True),
    "": _FailureText("page_failed", "The page could not be read.", retryable=True),
}


def build_failure(error: PlaywrightError, refusal: Refusal | None = None) -> ActionFailed:
    """Explain a failed step; `refusal` is why the proxy refused the page's host, where it did."""
    if isinstance(error, PlaywrightTimeout):
        return ActionFailed("timeout", "The page took too long.", retryable=True)
    if net := _NET_ERROR.search(error.message):
        return build_network_failure(net.group(1), refusal)
    return next(_build(text) for phrase, text in _TEXT_BY_PHRASE.items() if phrase in error.message)


def build_error_page_failure(refusal: Refusal | None) -> ActionFailed:
    """Explain a page that opened and then navigated to a URL that did not."""
    return _build(_TEXT_BY_REFUSAL[refusal or Refusal.UNREACHABLE])


def build_limit_failure(limit: ExceededLimit) -> ActionFailed:
    return _build(_TEXT_BY_LIMIT[limit])


def build_crash_failure(*, was_killed_for_memory: bool) -> ActionFailed:
    """Explain a page whose process crashed or was killed for its memory."""
    return build_limit_failure(ExceededLimit.MEMORY) if was_killed_for_memory else _build(_CRASHED)


def build_browser_unavailable() -> ActionFailed:
    return ActionFailed("browser_unavailable", "The browser is not available.", retryable=True)


def build_network_failure(code: str, refusal: Refusal | None = None) -> ActionFailed:
    if refusal and "SOCKS" in code:
        return _build(_TEXT_BY_REFUSAL[refusal])
    message = f"The page could not be opened: {code}."
    return ActionFailed(
        "navigation_failed", message, retryable=not code.startswith(_PERMANENT_NET_ERRORS)
    )


def _build(text: _FailureText) -> ActionFailed:
    return ActionFailed(text.reason, text.message, retryable=text.retryable)


def host_and_port(url: str) -> tuple[str, int]:
    """Return host and port as the browser requests them from the proxy."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
