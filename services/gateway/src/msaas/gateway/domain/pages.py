"""A place in a user's list of jobs, newest first, as text that clients hand back unread."""

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID

_LAYOUT = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PageCursor(NamedTuple):
    """The last job of the page before; ids decide between jobs of one microsecond."""

    created_at: datetime
    job_id: UUID

    def encode(self) -> str:
        micros = (self.created_at - _EPOCH) // timedelta(microseconds=1)
        packed = _LAYOUT.pack(micros, self.job_id.bytes)
        return urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """Return None for what was never handed out."""
        try:
            packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            micros, job_id = _LAYOUT.unpack(packed)
            found = cls(_EPOCH + timedelta(microseconds=micros), UUID(bytes=job_id))
        except (binascii.Error, struct.error, OverflowError, ValueError):
            return None
        return found if found.encode() == text else None
