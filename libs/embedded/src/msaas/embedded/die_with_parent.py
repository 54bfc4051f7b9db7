"""Executes a command that ends when its parent process ends, as another user if requested.

Run as a script (`python -I -S die_with_parent.py PARENT SIGNAL USER COMMAND…`): a `preexec_fn` is
not safe in a process that has threads. It may only import the standard library.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, death_signal, user, *command = arguments
    if user != "-":
        switch_user(user)
    set_parent_death_signal(int(parent), int(death_signal))
    os.execv(command[0], command)  # noqa: S606 - it replaces itself by the server, without a shell


def switch_user(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def set_parent_death_signal(parent: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` when the parent ends.

    A change of user clears the setting, so this runs after `switch_user`. A parent that ended
    before the call is detected by its id.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
