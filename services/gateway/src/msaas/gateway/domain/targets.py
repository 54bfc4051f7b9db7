"""The page that a job is about: host and path of its address, without anything secret.

Postgres searches with the same patterns, so that their first group is the host or the path.
"""

import re
from typing import Final, NamedTuple

# An address as browsers read it: what is before the last `@` of the authority are credentials.
_START: Final = r"(?i)^https?://(?:[^/?#\\]*@)?"
_HOST: Final = r"\[[^\]]*\]|[^/?#:@\\]+"
HOST_PATTERN: Final = rf"{_START}({_HOST})"
PATH_PATTERN: Final = rf"{_START}(?:{_HOST})(?::[0-9]*)?(/[^?#]*)"
MAX_PATH: Final = 200
_FIND_HOST: Final = re.compile(HOST_PATTERN)
_FIND_PATH: Final = re.compile(PATH_PATTERN)


class Target(NamedTuple):
    host: str
    path: str


def find_target(url: object) -> Target | None:
    """Return None for anything but an address of a page."""
    if not isinstance(url, str) or not (host := _FIND_HOST.match(url)):
        return None
    path = _FIND_PATH.match(url)
    return Target(host[1].lower(), (path[1] if path else "/")[:MAX_PATH])
