"""A position in a list of jobs or dead letters, newest first, as an opaque text."""

import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID

_LAYOUT = struct.Struct(">q16s")
_AS_OF_LAYOUT = struct.Struct(">xq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 24 bytes as base64; the first characters limit the time to the years 1970 to 2540.
_TEXT = re.compile(r"(A[A-D][A-Za-z0-9_-]{30})(AAA[A-Za-z0-9_-]{9})?")


class PageCursor(NamedTuple):
    """The last item of a page; ids order items of the same microsecond.

    A search that depends on the time is evaluated `as_of` the same moment on every page.
    """

    created_at: datetime
    id: UUID
    as_of: datetime | None = None

    def encode(self) -> str:
        packed = _LAYOUT.pack(_to_micros(self.created_at), self.id.bytes)
        if self.as_of is not None:
            packed += _AS_OF_LAYOUT.pack(_to_micros(self.as_of))
        return urlsafe_b64encode(packed).decode()

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """Return None for a text that `encode` cannot have returned."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        micros, item_id = _LAYOUT.unpack(urlsafe_b64decode(found[1]))
        as_of = None
        if found[2]:
            [as_of_micros] = _AS_OF_LAYOUT.unpack(urlsafe_b64decode(found[2]))
            as_of = _from_micros(as_of_micros)
        return cls(_from_micros(micros), UUID(bytes=item_id), as_of)


def _to_micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
