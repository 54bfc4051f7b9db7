"""Kills the processes of pages that use too much memory, and notices a browser that does."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from msaas.telemetry import get_logger

POLL_INTERVAL: Final = 0.5
# Longer than it takes the page to report that its process has crashed.
_KILL_REPORT_SECONDS: Final = 5.0
# Closing the pages frees their memory a moment later.
_CHECKS_UNTIL_KILL: Final = 6
_HELD_KILOBYTES: Final = re.compile(rb"^Rss(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)
_RENDERER_FLAG: Final = "--type=renderer"


class MemoryWatchdog:
    """Checks the process group of one browser, as the operating system reports it.

    A page whose process uses too much is killed. Where all processes together use too much, the
    visits that are open are to end; the browser is to be killed where that does not help.
    """

    def __init__(self, process_group: int, max_memory: int, max_shared: int) -> None:
        self.is_exceeded = False
        self._process_group = process_group
        self._max_memory = max_memory
        self._max_shared = max_shared
        self._last_kill_at = -_KILL_REPORT_SECONDS
        self._exceeded_at = 0.0
        self._pages_at_excess = 0
        self._checks_of_excess = 0

    def was_killed_for_memory(self) -> bool:
        """Return whether a page was killed in the last few seconds."""
        return time.monotonic() - self._last_kill_at < _KILL_REPORT_SECONDS

    def count_pages_over_memory(self, since: float) -> int:
        """Return how many pages were open when the browser last exceeded its memory, if it did."""
        return self._pages_at_excess if self._exceeded_at > since else 0

    def check(self, open_pages: int) -> bool:
        """Return whether the browser has to be killed."""
        pages = shared = 0
        for process in list_process_group(self._process_group):
            with suppress(psutil.Error):
                if _RENDERER_FLAG not in process.cmdline():
                    shared += measure_memory(process)
                elif not self._kill_if_too_large(process):
                    pages += measure_memory(process)
        is_exceeded = pages > self._max_memory * max(1, open_pages) or shared > self._max_shared
        if is_exceeded and not self.is_exceeded:
            self._exceeded_at, self._pages_at_excess = time.monotonic(), open_pages
            get_logger().warning(
                "browser_memory_exceeded", pages_bytes=pages, shared_bytes=shared, open=open_pages
            )
        self.is_exceeded = is_exceeded
        self._checks_of_excess = self._checks_of_excess + 1 if is_exceeded else 0
        return self._checks_of_excess > _CHECKS_UNTIL_KILL

    def _kill_if_too_large(self, process: psutil.Process) -> bool:
        rss = process.memory_info().rss
        if rss <= self._max_memory:
            return False
        self._last_kill_at = time.monotonic()
        process.kill()
        get_logger().warning("browser_page_killed", held_bytes=rss)
        return True


def measure_memory(process: psutil.Process) -> int:
    """Return what a process holds, without the programs and libraries that it maps.

    Unlike more precise figures, it may be read of a process in a sandbox.
    """
    try:
        status = Path(f"/proc/{process.pid}/status").read_bytes()
    except OSError:  # it has ended, or this is no Linux
        return process.memory_info().rss
    return 1024 * sum(int(kilobytes) for kilobytes in _HELD_KILOBYTES.findall(status))


def list_process_group(group: int) -> Iterator[psutil.Process]:
    """List a process group; `psutil` would read every process to find children."""
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getpgid(pid) == group:
                yield psutil.Process(pid)
