"""Moves what was pushed onto a list to a stream, for producers that know nothing of streams."""

from collections.abc import Mapping, Sequence
from typing import Final

from msaas.streams.redis_broker import RedisBroker

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
    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker

    async def move(
        self, list_key: str, stream_key: str, headers: Sequence[Mapping[bytes, bytes]], bound: int
    ) -> int:
        """Move the oldest, each under the next head; answer how many.

        One step for the server: none is lost or there twice, and a full stream gets none.
        """
        parts = [part for head in headers for pair in head.items() for part in pair]
        size = len(parts) // len(headers)
        return int(
            await self._broker.execute_command(
                "EVAL", _MOVE, 2, list_key, stream_key, bound, size, *parts
            )
        )
