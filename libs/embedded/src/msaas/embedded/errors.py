"""Errors of a machine or a data folder, with messages that say what to do.

LocalError
├── MissingProgram      a program is not installed; the message names a way to install it
├── FolderUnreachable   the server user may not enter a folder
└── ServerNotStarted    a server did not start; the message ends with its log
"""

from typing import ClassVar

from msaas.kernel import ErrorKind, MsaasError


class LocalError(MsaasError):
    code: ClassVar[str] = "local_failed"
    kind: ClassVar[ErrorKind] = ErrorKind.UNAVAILABLE


class MissingProgram(LocalError):
    code: ClassVar[str] = "missing_part"


class FolderUnreachable(LocalError):
    code: ClassVar[str] = "folder_unreachable"


class ServerNotStarted(LocalError):
    code: ClassVar[str] = "server_not_started"
