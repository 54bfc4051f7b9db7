"""Chooses the user that runs Postgres when started by root, and checks its access to folders."""

import os
import pwd
import stat
from pathlib import Path

from msaas.embedded.errors import FolderUnreachable, MissingProgram

_CANDIDATE_USERS = ("postgres", "nobody")


def find_server_user(data: Path | None = None) -> str | None:
    """Return the user that owns `data` or shall own it; None for the current user."""
    if os.geteuid() != 0:
        return None
    if data and data.exists():
        return pwd.getpwuid(data.stat().st_uid).pw_name
    known = {entry.pw_name for entry in pwd.getpwall()}
    for candidate in _CANDIDATE_USERS:
        if candidate in known:
            return candidate
    raise MissingProgram(
        "Postgres does not run as root and there is no user `postgres` or `nobody`."
    )


def can_reach(folder: Path, user: str) -> bool:
    entry = pwd.getpwnam(user)
    steps = [folder.resolve(), *folder.resolve().parents]
    return all(_may_enter(step.stat(), entry) for step in steps)


def _may_enter(found: os.stat_result, entry: pwd.struct_passwd) -> bool:
    if found.st_uid == entry.pw_uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == entry.pw_gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def require_reachable(folder: Path, user: str) -> None:
    if not can_reach(folder, user):
        raise FolderUnreachable(
            f"Postgres does not run as root, and user `{user}` may not enter {folder}. "
            "Set MSAAS_HOME to a folder whose parents everyone may enter."
        )
