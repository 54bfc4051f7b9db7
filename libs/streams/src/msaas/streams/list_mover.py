"""Moves what was pushed onto a list to a stream, for producers that know nothing of streams."""

from collections.abc import Mapping, Sequence
from typing import Final

from msaas.streams.redis_wire import RedisWire

# Takes nothing off the list that is not on the stream already: an append can be refused.
_MOVE: Final = """
local room, size, moved = ARGV[1] - redis.call('XLEN', KEYS[2]), tonumber(ARGV[2]), 0
for at = 3, #ARGV, size do
  local body = moved < room and redis.call('LINDEX', KEYS[1], -1)
  if not body then break end
  redis.call('XADD', KEYS[2], '*', 'data', body, unpack(ARGV, at, at + size - 1))
  redis.call('RPOP', KEYS[1])
  moved = moved + 1
end
return moved
"""


class ListMover:
    def __init__(self, wire: RedisWire) -> None:
        self._wire = wire

    async def move(
        self, queue: str, key: str, heads: Sequence[Mapping[bytes, bytes]], bound: int
    ) -> int:
        """Move the oldest, each under the next head; answer how many.

        One step for the server: none is lost or there twice, and a full stream gets none.
        """
        parts = [part for head in heads for pair in head.items() for part in pair]
        size = len(parts) // len(heads)
        return int(await self._wire.run("EVAL", _MOVE, 2, queue, key, bound, size, *parts))
