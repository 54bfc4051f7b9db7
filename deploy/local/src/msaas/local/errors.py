"""Errors of the launcher, and how commands report errors; servers' are in `msaas.embedded`."""

import functools
import sys
from collections.abc import Callable
from typing import ClassVar

from msaas.embedded import LocalError
from msaas.kernel import ErrorKind


class AlreadyRunning(LocalError):
    """Another launcher has locked the data folder."""

    code: ClassVar[str] = "already_running"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT


CommandFunction = Callable[[list[str]], int]


def report_errors(command: CommandFunction) -> CommandFunction:
    """Print an expected error of a command as one line and return an exit code."""

    @functools.wraps(command)
    def guarded(argv: list[str]) -> int:
        try:
            return command(argv)
        except (LocalError, OSError) as error:
            print(f"✗ {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 0

    return guarded
