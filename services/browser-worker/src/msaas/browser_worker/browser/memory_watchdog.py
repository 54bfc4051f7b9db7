"""Kills the processes of pages that use more memory than allowed."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import psutil

from msaas.telemetry import get_logger

POLL_INTERVAL: Final = 0.5
# Longer than it takes the page to report that its process has crashed.
_KILL_REPORT_SECONDS: Final = 5.0
_RENDERER_FLAG: Final = "--type=renderer"


class MemoryWatchdog:
    """Checks the process group of one browser, as the operating system reports it."""

    def __init__(self, process_group: int, max_memory: int) -> None:
        self._process_group = process_group
        self._max_memory = max_memory
        self._last_kill_at = -_KILL_REPORT_SECONDS

    def was_killed_for_memory(self) -> bool:
        """Return whether a page was killed in the last few seconds."""
        return time.monotonic() - self._last_kill_at < _KILL_REPORT_SECONDS

    def check(self) -> None:
        for process in list_process_group(self._process_group):
            with suppress(psutil.Error):
                rss = process.memory_info().rss
                if rss > self._max_memory and _RENDERER_FLAG in process.cmdline():
                    self._last_kill_at = time.monotonic()
                    process.kill()
                    get_logger().warning("browser_page_killed", held_bytes=rss)


def list_process_group(group: int) -> Iterator[psutil.Process]:
    """List a process group; `psutil` would read every process to find children."""
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getpgid(pid) == group:
                yield psutil.Process(pid)
