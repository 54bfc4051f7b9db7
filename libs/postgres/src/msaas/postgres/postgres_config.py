"""The configuration of one Postgres: a DSN, timeouts, and whether a pooler is in front of it."""

from dataclasses import dataclass, field
from typing import Final, NotRequired, TypedDict
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

_SCHEMES: Final = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
_POOLER_PORT: Final = 6543  # Supabase's transaction pooler
_POOLER_FLAG: Final = "pgbouncer"  # the flag that Supabase and Prisma put into a DSN
# The server notices within 25 s that a client's host is gone; the system's default is two hours.
_KEEPALIVES: Final = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
}


class ConnectOptions(TypedDict):
    timeout: float
    command_timeout: float
    statement_cache_size: int
    max_cached_statement_lifetime: int
    server_settings: NotRequired[dict[str, str]]


@dataclass(frozen=True, slots=True)
class PostgresConfig:
    """`dsn` in libpq's format; `pgbouncer=true` in it, or port 6543, means a transaction pooler."""

    dsn: str = field(repr=False)
    max_size: int = 10
    acquire_timeout: float = 2.0
    connect_timeout: float = 2.0
    command_timeout: float = 5.0
    idle_transaction_timeout: float = 5.0
    slow_query_threshold: float = 0.2

    def __post_init__(self) -> None:
        if self._parts.scheme not in _SCHEMES:
            # The DSN contains a password: the error must not repeat it.
            raise ValueError("the Postgres DSN must start with postgresql://")

    @property
    def behind_pooler(self) -> bool:
        flag = dict(parse_qsl(self._parts.query)).get(_POOLER_FLAG)
        return flag == "true" if flag is not None else self._parts.port == _POOLER_PORT

    @property
    def server_dsn(self) -> str:
        """Return the DSN for the driver: plain scheme, without the pooler flag."""
        query = [pair for pair in parse_qsl(self._parts.query) if pair[0] != _POOLER_FLAG]
        return self._parts._replace(scheme="postgresql", query=urlencode(query)).geturl()

    @property
    def connect_options(self) -> ConnectOptions:
        """Return the driver's options, reduced behind a pooler.

        It may lend another server connection for the next transaction, so no statement is cached;
        it refuses start-up parameters, and watches the server's connections itself.
        """
        options: ConnectOptions = {
            "timeout": self.connect_timeout,
            "command_timeout": self.command_timeout,
            "statement_cache_size": 0 if self.behind_pooler else 100,
            # The timer of a statement would keep the context of the task that prepared it.
            "max_cached_statement_lifetime": 0,
        }
        if not self.behind_pooler:
            options["server_settings"] = dict(_KEEPALIVES)
        return options

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.dsn)
