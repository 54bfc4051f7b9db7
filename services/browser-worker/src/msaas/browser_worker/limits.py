"""The limits of one visit: bytes, memory, connections, page behaviour."""

from dataclasses import dataclass
from typing import Final

MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`received` and `sent` are bytes of all connections of a job together.

    `memory` limits each process of a page, and so stops compression bombs and endless documents;
    all page processes of a browser together may use as much for each open page. `shared_memory`
    limits all its other processes together: they hold the blobs and caches of pages, and draw them.
    `nodes` counts the elements, texts and attributes of a page with all its frames.
    """

    received: int = 64 * MEGABYTE
    sent: int = 16 * MEGABYTE
    connections: int = 128
    tracked_endpoints: int = 200
    redirects: int = 10
    popups: int = 20
    dialogs: int = 100
    nodes: int = 1_000_000
    memory: int = 1024 * MEGABYTE
    shared_memory: int = 768 * MEGABYTE
