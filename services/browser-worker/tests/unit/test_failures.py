"""The failure that is reported to the user, and whether it is retried."""

import pytest
from playwright.async_api import Error
from playwright.async_api import TimeoutError as PageTimeout

from msaas.browser_worker.egress.policy import Refusal
from msaas.browser_worker.failures import (
    build_browser_unavailable,
    build_error_page_failure,
    build_failure,
    host_and_port,
)

SOCKS = "Page.goto: net::ERR_SOCKS_CONNECTION_FAILED at http://e.com/"


@pytest.mark.parametrize(
    ("error", "refusal", "reason", "may_retry"),
    [
        (PageTimeout("Page.goto: Timeout 30000ms exceeded."), None, "timeout", True),
        (Error(SOCKS), Refusal.BLOCKED, "address_blocked", False),
        (Error(SOCKS), Refusal.UNKNOWN_HOST, "navigation_failed", False),
        (Error(SOCKS), Refusal.UNREACHABLE, "navigation_failed", True),
        (Error(SOCKS), None, "navigation_failed", True),
        (Error("net::ERR_EMPTY_RESPONSE"), Refusal.BLOCKED, "navigation_failed", True),
        (Error("net::ERR_CONNECTION_RESET at x"), None, "navigation_failed", True),
        (Error("net::ERR_HTTP2_PROTOCOL_ERROR at x"), None, "navigation_failed", True),
        (Error("net::ERR_NAME_NOT_RESOLVED at x"), None, "navigation_failed", False),
        (Error("net::ERR_TOO_MANY_REDIRECTS at x"), None, "navigation_failed", False),
        (Error("net::ERR_CERT_AUTHORITY_INVALID at x"), None, "navigation_failed", False),
        (Error("net::ERR_UNSAFE_PORT at x"), None, "navigation_failed", False),
        (Error("net::ERR_ABORTED; maybe frame was detached?"), None, "navigation_failed", False),
        (Error("Page.goto: Download is starting"), None, "download_refused", False),
        (Error("Page.goto: Page crashed"), None, "page_crashed", True),
        (Error("'a[' is not a valid selector."), None, "invalid_payload", False),
        (Error("Target page, context or browser has been closed"), None, "page_failed", True),
        (Error("something new"), None, "page_failed", True),
    ],
)
def test_each_failure_has_a_reason(
    error: Error, refusal: Refusal | None, reason: str, *, may_retry: bool
) -> None:
    explained = build_failure(error, refusal)
    assert (explained.reason, explained.may_retry) == (reason, may_retry)
    assert explained.safe_message.endswith(".")
    assert "http" not in explained.safe_message


def test_an_error_page_is_explained_by_its_refusal() -> None:
    assert build_error_page_failure(Refusal.BLOCKED).reason == "address_blocked"
    assert build_error_page_failure(None).may_retry


def test_an_unavailable_browser_is_retryable() -> None:
    assert build_browser_unavailable().may_retry


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://e.com/a", ("e.com", 80)),
        ("https://E.com", ("e.com", 443)),
        ("http://[::1]:8/", ("::1", 8)),
        ("about:blank", ("", 0)),
    ],
)
def test_host_and_port_are_those_that_the_proxy_is_given(
    url: str, endpoint: tuple[str, int]
) -> None:
    assert host_and_port(url) == endpoint
