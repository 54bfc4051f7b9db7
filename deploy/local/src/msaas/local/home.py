"""The data folder: where it is, what is in it, and its lock."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msaas.embedded.unprivileged import can_reach, find_server_user
from msaas.local.errors import AlreadyRunning


def _find_repository() -> Path:
    """Return the checkout that this file belongs to; an installed copy uses the current folder."""
    checkout = Path(__file__).resolve().parents[5]
    return checkout if (checkout / "services").is_dir() else Path.cwd()


REPOSITORY = _find_repository()
_SYSTEM_PATH = Path("/var/lib/msaas")


@dataclass(frozen=True)
class Home:
    """One data folder; it contains everything the launcher stores, and one launcher locks it."""

    path: Path

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def state_path(self) -> Path:
        return self.path / "state.json"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def stripe(self) -> Path:
        return self.path / "stripe"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    def prepare(self) -> None:
        self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def locked(self) -> Generator[None]:
        """Lock the folder against other launchers; the kernel releases the lock at process exit."""
        self.prepare()
        with (self.path / "launcher.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(f"A launcher is already running in {self.path}") from None
            yield

    def wipe(self) -> None:
        stored = (self.postgres, self.redis, self.artifacts, self.stripe, self.secrets, self.logs)
        for folder in stored:
            shutil.rmtree(folder, ignore_errors=True)
        self.state_path.unlink(missing_ok=True)


def find_home(environment: Mapping[str, str]) -> Home:
    """Return MSAAS_HOME, else a folder in the repository.

    Root's Postgres runs as another user. Where that user cannot enter the repository, the data
    folder is below /var/lib/msaas, under a hash of the repository's path.
    """
    if given := environment.get("MSAAS_HOME"):
        return Home(Path(given).absolute())
    user = find_server_user()
    if user is None or can_reach(REPOSITORY, user):
        return Home(REPOSITORY / ".msaas" / "data")
    name = hashlib.sha256(os.fsencode(REPOSITORY)).hexdigest()[:12]
    return Home(_SYSTEM_PATH / name)
