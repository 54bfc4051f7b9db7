"""Simulates what an operating-system crash does to Redis on disk."""

from msaas.embedded import RedisServer


def cut_aof_tail(server: RedisServer, lose_bytes: int) -> None:
    """Cut the last bytes from the append-only file of a stopped or killed server."""
    if server.running:
        raise AssertionError("the server is running: kill it first")
    increments = (server.folder / "appendonlydir").glob("*.incr.aof")
    tail = max(increments, key=lambda path: int(path.name.split(".")[-3]))
    with tail.open("r+b") as file:
        size = file.seek(0, 2)
        file.truncate(max(0, size - lose_bytes))
