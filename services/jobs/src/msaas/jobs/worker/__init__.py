"""The generic worker: tasks that need no browser and no database."""

from msaas.jobs.worker.echo import Echo
from msaas.jobs.worker.serving import serve

__all__ = ["Echo", "serve"]
