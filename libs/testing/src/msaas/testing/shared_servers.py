"""One Redis and one Postgres per test run, in a folder that any user can enter.

Each test has a fresh database on that Postgres.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from msaas.embedded import (
    EmbeddedServer,
    PostgresServer,
    RedisServer,
    can_reach,
    find_server_user,
)

_SYSTEM_TEMP_FOLDER = Path("/var/tmp")  # noqa: S108 - the folder in it has a random name
# Speed before durability: these clusters are thrown away.
FAST_POSTGRES = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}


class SharedServers:
    """Starts each server at its first use, unless its address was given."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._urls = dict(given)
        self._started: list[EmbeddedServer] = []
        self._folder: Path | None = None

    @property
    def redis_url(self) -> str:
        if "redis" not in self._urls:
            self._urls["redis"] = self._start(RedisServer(self.new_folder("redis")))
        return self._urls["redis"]

    @property
    def postgres_url(self) -> str:
        if "postgres" not in self._urls:
            folder = self.new_folder("postgres")
            self._urls["postgres"] = self._start(PostgresServer(folder, config=FAST_POSTGRES))
        return self._urls["postgres"]

    @property
    def urls(self) -> dict[str, str]:
        return {"redis": self.redis_url, "postgres": self.postgres_url}

    def new_folder(self, name: str) -> Path:
        """Return the path of a new folder that the server user can enter."""
        if self._folder is None:
            self._folder = Path(
                tempfile.mkdtemp(prefix="msaas-tests-", dir=_find_shared_temp_folder())
            )
            self._folder.chmod(0o711)
        return self._folder / f"{name}-{uuid4().hex[:8]}"

    def stop(self) -> None:
        for server in self._started:
            server.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder)

    def _start(self, server: EmbeddedServer) -> str:
        server.start(timeout=60)
        self._started.append(server)
        return server.url


def _find_shared_temp_folder() -> Path:
    """Return the temporary folder, or the system's own where root's is closed to others."""
    folder = Path(tempfile.gettempdir())
    user = find_server_user()
    return folder if user is None or can_reach(folder, user) else _SYSTEM_TEMP_FOLDER


def read_given_urls() -> dict[str, str]:
    """Return the addresses that the person running the tests has set."""
    names = {"redis": "MSAAS_TEST_REDIS_URL", "postgres": "MSAAS_TEST_DATABASE_URL"}
    return {part: os.environ[name] for part, name in names.items() if name in os.environ}


@asynccontextmanager
async def fresh_database(server_url: str) -> AsyncGenerator[str]:
    """Create a database, yield its URL, and drop it together with open connections."""
    name = f"test_{uuid4().hex}"
    await _execute(server_url, f"create database {name} strategy file_copy")
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        await _execute(server_url, f"drop database {name} with (force)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
