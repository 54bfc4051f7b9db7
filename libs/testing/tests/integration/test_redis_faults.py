"""Redis as it dies: by kill, and with its last writes lost."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from msaas.embedded import RedisServer
from msaas.testing import cut_aof_tail

# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.Redis


def test_a_killed_redis_comes_back_with_its_data(
    private_redis: Callable[..., RedisServer],
) -> None:
    server = private_redis(config={"appendfsync": "always"})
    with _Redis.from_url(server.url) as client:
        client.set("kept", 1)
        server.kill()
        server.start()
        assert client.get("kept") == b"1"


def test_a_cut_tail_loses_the_last_write_only(private_redis: Callable[..., RedisServer]) -> None:
    server = private_redis(config={"appendfsync": "always"})
    with _Redis.from_url(server.url) as client:
        client.set("first", 1)
        client.set("last", 1)
        server.kill()
        cut_aof_tail(server, lose_bytes=3)
        server.start()
        assert (client.get("first"), client.get("last")) == (b"1", None)


def test_the_tail_of_a_running_server_is_not_cut(private_redis: Callable[..., RedisServer]) -> None:
    with pytest.raises(AssertionError, match="kill it first"):
        cut_aof_tail(private_redis(), lose_bytes=1)
