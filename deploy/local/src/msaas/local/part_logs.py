"""Log files of the parts: written, rotated, read and followed."""

import heapq
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

MAX_BYTES = 5_000_000


class PartLog:
    """The log file of one part; when it is full it becomes `.1` and the older one goes."""

    def __init__(self, folder: Path, name: str, max_bytes: int = MAX_BYTES) -> None:
        self.path = folder / f"{name}.log"
        self._max_bytes = max_bytes
        self._file = self.path.open("ab")

    def write(self, line: bytes) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._file.write(moment.encode() + b" " + line + b"\n")
        self._file.flush()
        if self._file.tell() > self._max_bytes:
            self._rotate()

    def close(self) -> None:
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        self.path.replace(_rotated_path(self.path))
        self._file = self.path.open("ab")


def _rotated_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def list_parts(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.log"))


def read_last_lines(folder: Path, names: list[str], count: int) -> list[tuple[str, str]]:
    """Return the newest lines of these parts as (part, line), oldest first."""
    lines = heapq.merge(*(_newest_first(folder, name) for name in names), reverse=True)
    return [(name, line) for line, name in islice(lines, count)][::-1]


def _newest_first(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    current = folder / f"{name}.log"
    for path in (current, _rotated_path(current)):
        if path.exists():
            for line in reversed(path.read_text(errors="replace").splitlines()):
                yield line, name


def follow(folder: Path, names: list[str], pause: float = 0.2) -> Iterator[tuple[str, str]]:
    """Yield new lines as they are written."""
    return _follow_readers([_Reader(folder / f"{name}.log", name) for name in names], pause)


def _follow_readers(readers: "list[_Reader]", pause: float) -> Iterator[tuple[str, str]]:
    while True:
        for reader in readers:
            yield from reader.read()
        time.sleep(pause)


class _Reader:
    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._offset = path.stat().st_size if path.exists() else 0

    def read(self) -> Iterator[tuple[str, str]]:
        if not self._path.exists():
            return
        if self._path.stat().st_size < self._offset:
            self._offset = 0
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, _, _ = file.read().rpartition(b"\n")
        if whole:
            self._offset += len(whole) + 1
            for line in whole.decode(errors="replace").split("\n"):
                yield self._name, line
