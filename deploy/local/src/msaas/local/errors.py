"""Errors of the launcher; errors of servers are in `msaas.embedded`."""

from typing import ClassVar

from msaas.embedded import LocalError
from msaas.kernel import ErrorKind


class AlreadyRunning(LocalError):
    """Another launcher has locked the data folder."""

    code: ClassVar[str] = "already_running"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
