"""Moves entries from a list to a stream, for producers that do not use streams."""

from collections.abc import Mapping, Sequence
from typing import Final

from msaas.messaging import RedisBroker

# Pops an entry only after its append: Redis can refuse the append.
_MOVE: Final = """
local free, size, moved = ARGV[1] - redis.call('XLEN', KEYS[2]), tonumber(ARGV[2]), 0
for at = 3, #ARGV, size do
  local body = moved < free and redis.call('LINDEX', KEYS[1], -1)
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
        """Move the oldest entries, each with the next headers; return how many.

        Redis runs it as one step: no entry is lost or duplicated, and a full stream gets none.
        """
        parts = [part for fields in headers for pair in fields.items() for part in pair]
        size = len(parts) // len(headers)
        arguments = (list_key, stream_key, bound, size, *parts)
        return int(await self._broker.execute_command("EVAL", _MOVE, 2, *arguments))
