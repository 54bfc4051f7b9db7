"""Ends the processes of pages that hold more memory than one may, whatever the page is doing."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import psutil

from msaas.telemetry import get_logger

LOOK_EVERY: Final = 0.5
# By then the page has heard that its process is gone.
_NEWS_SECONDS: Final = 5.0
_PAGE: Final = "--type=renderer"


class Warden:
    """Looks at one browser's process group, by the system's word and not by the browser's."""

    def __init__(self, group: int, memory: int) -> None:
        self._group = group
        self._memory = memory
        self._slain_at = -_NEWS_SECONDS

    def has_slain(self) -> bool:
        """Say whether a page was ended just now."""
        return time.monotonic() - self._slain_at < _NEWS_SECONDS

    async def keep(self, is_busy: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if is_busy():
                self.look()

    def look(self) -> None:
        for process in list_group(self._group):
            with suppress(psutil.Error):
                held = process.memory_info().rss
                if held > self._memory and _PAGE in process.cmdline():
                    self._slain_at = time.monotonic()
                    process.kill()
                    get_logger().warning("browser_page_slain", held_bytes=held)


def list_group(group: int) -> Iterator[psutil.Process]:
    """List a process group; asking for the children of a process would read all processes."""
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getpgid(pid) == group:
                yield psutil.Process(pid)
