"""Runs Postgres on loopback with a password, as an ordinary user even when started by root."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from msaas.embedded.errors import ServerNotStarted
from msaas.embedded.ports import LOOPBACK
from msaas.embedded.postgres_install import PostgresInstall, find_postgres, get_cluster_version
from msaas.embedded.process import EmbeddedServer, die_with_parent_command
from msaas.embedded.unprivileged import find_server_user, require_reachable

SUPERUSER = "postgres"
_DEFAULTS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer(EmbeddedServer):
    name: ClassVar[str] = "postgres"
    # SIGINT is the "fast" shutdown: it ends sessions instead of waiting for them.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(
        self, folder: Path, *, port: int = 0, config: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder, port, config or {})
        self._user = find_server_user(self.data)
        self._install: PostgresInstall | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def password(self) -> str:
        return (self.folder / "password").read_text()

    @property
    def url(self) -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@{LOOPBACK}:{self.port}/postgres"

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        if self._user:
            require_reachable(self.folder, self._user)
        if not self._install:
            install = find_postgres(get_cluster_version(self.data))
            self._install = install.for_user(self._user, self.folder)
        self._choose_port()
        if not self.data.exists():
            self._create_cluster()

    def command(self) -> list[str]:
        settings = {**_DEFAULTS, "port": str(self.port), **self.config}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return self._as_user("postgres", "-D", str(self.data), *options)

    def _is_serving(self, pid: int) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"  # noqa: PLR2004 - the file's status line

    def _create_cluster(self) -> None:
        """Create the cluster in a temporary folder and rename it, so that none stays unfinished."""
        for unfinished in self.folder.glob("data.*"):
            shutil.rmtree(unfinished)
        self._write_password()
        unfinished = self.folder / f"data.{secrets.token_hex(4)}"
        unfinished.mkdir(mode=0o700)
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(unfinished, entry.pw_uid, entry.pw_gid)
            os.chown(self.folder / "password", entry.pw_uid, entry.pw_gid)
        self._run_initdb(unfinished)
        unfinished.rename(self.data)

    def _write_password(self) -> None:
        path = self.folder / "password"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))

    def _run_initdb(self, data: Path) -> None:
        arguments = ["-D", str(data), "-U", SUPERUSER, f"--pwfile={self.folder / 'password'}"]
        arguments += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
        if self.config.get("fsync") == "off":
            arguments.append("--no-sync")
        command = self._as_user("initdb", *arguments, *self._required_install.locale_options)
        done = subprocess.run(
            command, capture_output=True, env=self.environment, timeout=120, check=False
        )
        if done.returncode:
            raise ServerNotStarted(f"initdb failed:\n{done.stderr.decode(errors='replace')}")

    def _as_user(self, program: str, *arguments: str) -> list[str]:
        binary = self._required_install.binary(program)
        return die_with_parent_command([str(binary), *arguments], self.stop_signal, self._user)

    @property
    def _required_install(self) -> PostgresInstall:
        if not self._install:
            raise ServerNotStarted("postgres was not prepared")
        return self._install

    def _may_retry(self) -> bool:
        # After a kill the last backends need a moment to notice the death of the postmaster.
        return "still in use" in self._log_tail()
