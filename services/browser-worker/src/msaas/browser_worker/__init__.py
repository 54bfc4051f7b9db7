"""Browser tasks: a warm Chromium, a fresh context for each job."""

from msaas.browser_worker.browser.chromium import ChromiumNotFound, find_chromium

__all__ = ["ChromiumNotFound", "find_chromium"]
