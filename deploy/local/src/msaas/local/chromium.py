"""Finds a Chromium for the browser worker, or installs one by a method that works here."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msaas.embedded import MissingProgram
from msaas.local.programs import module_command

PACKAGE = "chromium-headless-shell"


@dataclass(frozen=True, slots=True)
class InstallMethod:
    """Commands that install a browser, and how long each may take."""

    name: str
    commands: Sequence[Sequence[str]]
    seconds: float


def list_install_methods() -> Sequence[InstallMethod]:
    """List the methods that work here; those that need no root come first."""
    playwright = InstallMethod(
        "Playwright's download", [[sys.executable, "-m", "playwright", "install", PACKAGE]], 180
    )
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        return [playwright]
    install = [apt, "install", "-y", "-q", "--no-install-recommends", PACKAGE]
    return [playwright, InstallMethod("apt", [[apt, "update", "-q"], install], 400)]


def find_chromium() -> Path | None:
    """Return the browser that the browser worker would start, or None."""
    command = [*module_command("msaas.browser_worker"), "find-chromium"]
    completed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return Path(completed.stdout.strip()) if completed.returncode == 0 else None


def ensure_chromium(
    notify: Callable[[str], None],
    *,
    find: Callable[[], Path | None] = find_chromium,
    methods: Sequence[InstallMethod] | None = None,
) -> Path:
    """Return a browser that runs; the first time that may take a download."""
    if found := find():
        return found
    with _install_lock():
        if found := find():
            return found  # another process has installed it meanwhile
        for method in list_install_methods() if methods is None else methods:
            notify(f"Chromium is not installed: installing it with {method.name}")
            for command in method.commands:
                _run(command, method.seconds)
            if found := find():
                return found
    raise MissingProgram(
        "No Chromium was found, and none could be installed here. Install one "
        f"(`apt install {PACKAGE}`, or `playwright install {PACKAGE}` where it may download), or "
        "name yours in BROWSER_WORKER_CHROMIUM."
    )


@contextmanager
def _install_lock() -> Generator[None]:
    """Let one process of this user install at a time: package managers lock each other out."""
    lock_path = Path(tempfile.gettempdir()) / f"msaas-chromium-{os.getuid()}.lock"
    with lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], seconds: float) -> None:
    """Run the command and ignore its result: the next search shows whether it worked."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = subprocess.DEVNULL
    try:
        subprocess.run(
            command,
            env=environment,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return
