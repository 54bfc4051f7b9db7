"""Operations that are going; the document says the same of each."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from msaas.web import Deprecation

DEPRECATIONS: Final[Mapping[tuple[str, str], Deprecation]] = {
    ("GET", "/api/v1/jobs/{job_id}/events"): Deprecation(
        since=date(2026, 11, 21),
        sunset=date(2027, 6, 1),
        successor="/api/v1/jobs/{job_id}/timeline",
    ),
}
