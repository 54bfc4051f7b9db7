"""Output for the terminal: ticked steps, prefixed lines, colour only on a terminal."""

import os
import sys
from contextlib import suppress
from itertools import cycle
from typing import TextIO
from urllib.parse import urlsplit

_COLOURS = ("36", "35", "33", "32", "34", "31")


class Console:
    """Writes to a stream whose reader may have closed it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colour = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._next_colour = cycle(_COLOURS)
        self._colours: dict[str, str] = {}

    def print(self, text: str = "") -> None:
        # A closed terminal must not interrupt an orderly stop.
        with suppress(BrokenPipeError):
            print(text, file=self._stream, flush=True)

    def print_step(self, text: str) -> None:
        self.print(f"{self._paint('32', '✓')} {text}")

    def print_log_line(self, name: str, text: str) -> None:
        colour = self._colours.setdefault(name, next(self._next_colour))
        self.print(f"{self._paint(colour, f'{name:<14}|')} {text}")

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def mask_password(url: str | None) -> str:
    """Return the URL with its password masked."""
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")).geturl()
