"""Errors of the launcher itself; those of a machine and its servers are `msaas.embedded`'s."""

from typing import ClassVar

from msaas.embedded import LocalError
from msaas.kernel import ErrorKind


class AlreadyRunning(LocalError):
    """Another launcher holds the data folder."""

    code: ClassVar[str] = "already_running"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
