"""A database with rows under row-level security, and a transaction pooler to stand before it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics

SCHEMA = """
DO $$ BEGIN
  CREATE ROLE authenticated NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO authenticated;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
$$;
CREATE TABLE notes (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id uuid NOT NULL, body text UNIQUE
);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON notes FOR SELECT TO authenticated USING (user_id = (SELECT auth.uid()));
GRANT SELECT ON notes TO authenticated;
"""

READY_OUTSIDE_TRANSACTION = b"Z\0\0\0\x05I"

Opener: TypeAlias = Callable[..., Awaitable[Database]]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("postgres-tests", "test")


@pytest.fixture
async def notes_url(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(SCHEMA)
    finally:
        await connection.close()
    return database_url


@pytest.fixture
async def open_database(metrics: Metrics) -> AsyncIterator[Opener]:
    async with AsyncExitStack() as stack:

        async def open_one(url: str, **bounds: Any) -> Database:
            postgres_config = PostgresConfig(url, **bounds)
            return await stack.enter_async_context(Database(postgres_config, metrics))

        yield open_one


@pytest.fixture
async def database(notes_url: str, open_database: Opener) -> Database:
    return await open_database(notes_url, max_size=2)


class TransactionPooler:
    """Lends a server connection for each transaction, as PgBouncer does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: asyncio.Queue[ServerSide] = asyncio.Queue()
        self._connections: list[asyncpg.Connection] = []
        self._clients: list[asyncio.StreamWriter] = []
        self._listener: asyncio.Server | None = None

    async def start(self, size: int) -> str:
        for _ in range(size):
            connection = await asyncpg.connect(self._url)
            self._connections.append(connection)
            # asyncpg has logged in; from here on the bytes are ours.
            server = ServerSide(connection._transport, self._idle)
            connection._transport.set_protocol(server)
            self._idle.put_nowait(server)
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        return f"postgresql://user@127.0.0.1:{port}{urlsplit(self._url).path}"

    async def stop(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for connection in self._connections:
            server = connection._transport.get_protocol()
            connection.terminate()
            await server.lost.wait()
        for client in self._clients:
            client.close()
            with contextlib.suppress(ConnectionError):
                await client.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.append(writer)
        server: ServerSide | None = None
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await _welcome(reader, writer)
            while (message := await _read_message(reader))[:1] != b"X":
                if server is None or server.client is not writer:
                    server = await self._idle.get()
                    server.client = writer
                server.write(message)
        writer.close()


class ServerSide(asyncio.Protocol):
    """Relays to its client until the server reports that no transaction is open."""

    def __init__(self, transport: asyncio.Transport, idle: "asyncio.Queue[ServerSide]") -> None:
        self.client: asyncio.StreamWriter | None = None
        self._transport = transport
        self._idle = idle
        self._received = bytearray()
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def write(self, message: bytes) -> None:
        self._transport.write(message)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) > 4:
            length = int.from_bytes(self._received[1:5]) + 1
            if len(self._received) < length:
                return
            self._relay(bytes(self._received[:length]))
            del self._received[:length]

    def _relay(self, message: bytes) -> None:
        if self.client is not None:
            self.client.write(message)
        if message == READY_OUTSIDE_TRANSACTION:
            self.client = None
            self._idle.put_nowait(self)


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:]) - 4)


async def _welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    length = int.from_bytes(await reader.readexactly(4))
    if (await reader.readexactly(length - 4))[:4] == (80877103).to_bytes(4):
        writer.write(b"N")  # no TLS here; the real start-up message follows
        await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
    writer.write(_message(b"R", bytes(4)))
    for name, value in {"server_version": "18.0", "client_encoding": "UTF8"}.items():
        writer.write(_message(b"S", f"{name}\0{value}\0".encode()))
    writer.write(_message(b"K", bytes(8)) + _message(b"Z", b"I"))


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


@pytest.fixture
async def pooler_url(notes_url: str) -> AsyncIterator[str]:
    pooler = TransactionPooler(notes_url)
    yield await pooler.start(size=2)
    await pooler.stop()
