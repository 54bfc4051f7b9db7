"""The ids of entries on a topic, chosen before the entries are added."""

import random
from typing import Final

_RANDOM_BITS: Final = 40
_COUNT_BITS: Final = 16


def choose_first_number() -> int:
    """Return a number of which no other tick of the same millisecond has the successors.

    It leaves room for 65,536 entries and fits into the signed 64 bits of the database.
    """
    return random.getrandbits(_RANDOM_BITS) << _COUNT_BITS


def choose_entry_ids(milliseconds: int, count: int) -> list[str]:
    first = choose_first_number()
    return [f"{milliseconds}-{first + number}" for number in range(1, count + 1)]
