"""The embedded launcher: Postgres and Redis on one machine with no account and no network."""

from msaas.local.errors import (
    AlreadyRunning,
    FolderUnreachable,
    LocalError,
    MissingProgram,
    ServerNotStarted,
)
from msaas.local.home import Home, find_home
from msaas.local.part import Part

__all__ = [
    "AlreadyRunning",
    "FolderUnreachable",
    "Home",
    "LocalError",
    "MissingProgram",
    "Part",
    "ServerNotStarted",
    "find_home",
]
