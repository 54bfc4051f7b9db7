"""Browser tasks: a warm Chromium, a fresh context for each job."""

from msaas.browser_worker.chromium import ChromiumMissing, find_chromium

__all__ = ["ChromiumMissing", "find_chromium"]
