"""What can be wrong with a machine or a data folder, said so that a person can act on it.

LocalError
├── MissingProgram         a program is not on this machine; names the way to get it
├── FolderUnreachable   the user that has to use a folder may not enter it
└── ServerNotStarted    a part did not come up; tells its last words
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
