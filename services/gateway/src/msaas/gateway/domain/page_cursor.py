"""A position in a list of jobs or dead letters, newest first, as an opaque text."""

import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID

_LAYOUT = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 24 bytes as base64; the first characters limit the time to the years 1970 to 2540.
_TEXT = re.compile(r"A[A-D][A-Za-z0-9_-]{30}")


class PageCursor(NamedTuple):
    """The last item of a page; ids order items of the same microsecond."""

    created_at: datetime
    id: UUID

    def encode(self) -> str:
        micros = (self.created_at - _EPOCH) // timedelta(microseconds=1)
        packed = _LAYOUT.pack(micros, self.id.bytes)
        return urlsafe_b64encode(packed).decode()

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """Return None for a text that `encode` cannot have returned."""
        if not _TEXT.fullmatch(text):
            return None
        micros, item_id = _LAYOUT.unpack(urlsafe_b64decode(text))
        return cls(_EPOCH + timedelta(microseconds=micros), UUID(bytes=item_id))
