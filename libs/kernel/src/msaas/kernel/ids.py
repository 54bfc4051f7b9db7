"""Makes ids: new ones that sort by time, and derived ones that are the same every time."""

from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid5, uuid7

_NAMESPACE: Final = UUID("a4b1f5f6-3f0e-5d55-9d0c-6d7361617300")


def new_id() -> UUID:
    """Make a UUIDv7, larger than every id that this process has made before."""
    return uuid7()


def derive_id(subject: UUID | str, version: int | str) -> UUID:
    """Return the same id for the same subject and version, in every process and at any time."""
    return uuid5(uuid5(_NAMESPACE, str(subject)), str(version))
