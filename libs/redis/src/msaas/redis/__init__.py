"""Commands to Redis: one round trip, one deadline, errors of our own."""

from msaas.redis.epoch_watcher import EpochListener, EpochWatcher
from msaas.redis.errors import (
    BrokerAccessDenied,
    BrokerFull,
    BrokerUnavailable,
    BrokerUnconfirmed,
    GroupMissing,
    is_dependency_failure,
)
from msaas.redis.keys import Keys, RedisKeys
from msaas.redis.pipeline import (
    SLOWEST_LINK,
    RedisCommand,
    RedisPipeline,
    is_id_refused,
    read_clock_ms,
    read_text,
)

__all__ = [
    "SLOWEST_LINK",
    "BrokerAccessDenied",
    "BrokerFull",
    "BrokerUnavailable",
    "BrokerUnconfirmed",
    "EpochListener",
    "EpochWatcher",
    "GroupMissing",
    "Keys",
    "RedisCommand",
    "RedisKeys",
    "RedisPipeline",
    "is_dependency_failure",
    "is_id_refused",
    "read_clock_ms",
    "read_text",
]
