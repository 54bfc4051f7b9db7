"""Runs Postgres and Redis as child processes of this one."""

from msaas.embedded.errors import FolderUnreachable, LocalError, MissingProgram, ServerNotStarted
from msaas.embedded.ports import find_free_port, is_free
from msaas.embedded.postgres import PostgresServer
from msaas.embedded.process import EmbeddedServer, die_with_parent_command
from msaas.embedded.redis import RedisServer, find_redis_server
from msaas.embedded.unprivileged import can_reach, find_server_user

__all__ = [
    "EmbeddedServer",
    "FolderUnreachable",
    "LocalError",
    "MissingProgram",
    "PostgresServer",
    "RedisServer",
    "ServerNotStarted",
    "can_reach",
    "die_with_parent_command",
    "find_free_port",
    "find_redis_server",
    "find_server_user",
    "is_free",
]
