"""Text that was read from pages, and passages of it."""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The text of a page as one child job has read it."""

    url: str
    text: str
    title: str | None = None
    job_id: UUID | None = None
    links: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Characters `start` to `end` of the document with this hash."""

    url: str
    sha256: str
    start: int
    end: int
    text: str
    job_id: UUID | None = None
