"""The effects of runs, in a file that survives every fault: a line for each time a run acts."""

import os
from collections import Counter
from pathlib import Path
from typing import Final
from uuid import UUID

from msaas.contracts import JobEnvelope

EFFECTS_VARIABLE: Final = "CHAOS_EFFECTS"


def record_effect(envelope: JobEnvelope) -> None:
    """Append a line with one write, so that neither a kill nor another process can split it."""
    file = os.open(os.environ[EFFECTS_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{envelope.job_id} {envelope.fence}\n".encode())
    finally:
        os.close(file)


def read_effects(path: Path) -> dict[str, Counter[UUID]]:
    """Return for each job how often each of its runs has acted."""
    effects: dict[str, Counter[UUID]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        job_id, fence = line.split()
        effects.setdefault(job_id, Counter())[UUID(fence)] += 1
    return effects
