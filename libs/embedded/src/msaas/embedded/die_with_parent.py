"""Becomes a child process that ends with its parent: takes a user, ties itself, then execs.

Run as a script (`python -I -S die_with_parent.py PARENT SIGNAL USER COMMAND…`): a `preexec_fn` is
not safe in a process that has threads. Only the standard library is at hand.
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
    os.execv(command[0], command)  # noqa: S606 - becoming the server, without a shell, is the point


def switch_user(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def set_parent_death_signal(parent: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` when the parent ends.

    The wish is lost when the user changes, so this comes after `become`; a parent that ended
    before the wish was heard is seen by its id.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
