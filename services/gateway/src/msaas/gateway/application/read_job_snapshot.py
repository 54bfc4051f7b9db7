"""Reads the newest jobs of a user at once, unless the client has them already."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from msaas.gateway.application.cache_versions import CacheVersions
from msaas.gateway.application.ports import JobViews, Row

# A snapshot takes tens of megabytes while it is built.
_PER_PROCESS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshotRows:
    """There are more jobs if there are more rows than were asked for."""

    rows: Sequence[Row]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPosition:
    """What the stream had shown before the rows were read; `version` None: not yet known."""

    stream_cursor: str
    version: str | None


class ReadJobSnapshot:
    """Everything that the stream shows after the position is newer than the rows, or in them."""

    def __init__(
        self, views: JobViews, row_versions: CacheVersions, read_cursor: Callable[[], str]
    ) -> None:
        self._views = views
        self._row_versions = row_versions
        self._read_cursor = read_cursor
        self.slots = asyncio.Semaphore(_PER_PROCESS)

    def get_position(self, user_id: UUID) -> SnapshotPosition:
        return SnapshotPosition(
            stream_cursor=self._read_cursor(), version=self._row_versions.find_version(user_id)
        )

    async def read_rows(self, user_id: UUID, limit: int) -> JobSnapshotRows:
        rows, counts = await self._views.read_snapshot(user_id, limit + 1)
        return JobSnapshotRows(rows=rows, counts=counts)
