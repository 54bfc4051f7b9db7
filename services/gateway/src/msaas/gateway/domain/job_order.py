"""The orders in which jobs are listed."""

from enum import StrEnum


class JobOrder(StrEnum):
    """A `-` puts the latest or longest first; a job that has not ended counts until now."""

    NEWEST = "-created"
    OLDEST = "created"
    LAST_FINISHED = "-finished"
    FIRST_FINISHED = "finished"
    LONGEST = "-took"
    SHORTEST = "took"

    @property
    def key(self) -> str:
        return self.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        return self.startswith("-")
