"""Reads server-sent events from bytes that arrive in any pieces."""

import codecs
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

MAX_EVENT: Final = 1_000_000
_LINE_END: Final = re.compile(r"\r\n|\n|\r")


class EventTooLong(ValueError):
    """One event is longer than any answer needs."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    name: str
    data: str


class EventParser:
    """Takes pieces of the stream and returns the events that each completes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._held = ""
        self._rest: list[str] = []
        self._rest_length = 0
        self._name = ""
        self._data: list[str] = []
        self._length = 0

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        for line in self._take_lines(self._decoder.decode(piece)):
            if line:
                self._take_field(line)
            elif self._data:
                event = ServerEvent(self._name or "message", "\n".join(self._data))
                self._clear()
                yield event
            else:
                self._clear()

    def _take_lines(self, text: str) -> Iterator[str]:
        text = self._held + text
        # The other half of a line's end may follow in the next piece.
        self._held = "\r" if text.endswith("\r") else ""
        first, *others = _LINE_END.split(text.removesuffix(self._held) if self._held else text)
        self._rest.append(first)
        self._rest_length += len(first)
        if self._rest_length > MAX_EVENT:
            raise EventTooLong
        for line in others:
            yield "".join(self._rest)
            self._rest, self._rest_length = [line], len(line)

    def _take_field(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._length += len(value)
            if self._length > MAX_EVENT:
                raise EventTooLong
        elif field == "event":
            self._name = value

    def _clear(self) -> None:
        self._name, self._data, self._length = "", [], 0


async def read_events(pieces: AsyncIterable[bytes]) -> AsyncIterator[ServerEvent]:
    parser = EventParser()
    async for piece in pieces:
        for event in parser.feed(piece):
            yield event
