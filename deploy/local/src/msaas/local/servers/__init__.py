"""Postgres and Redis as child processes: found on this machine, started, stopped, killed."""

from msaas.local.servers.ports import find_free_port, is_free
from msaas.local.servers.postgres import PostgresServer
from msaas.local.servers.process import EmbeddedServer, die_with_parent_command
from msaas.local.servers.redis import RedisServer, find_redis_server
from msaas.local.servers.unprivileged import can_reach, find_server_user

__all__ = [
    "PostgresServer",
    "RedisServer",
    "EmbeddedServer",
    "can_reach",
    "find_free_port",
    "find_redis_server",
    "find_server_user",
    "is_free",
    "die_with_parent_command",
]
