"""The baseline of the stream benchmark: sse-starlette with a queue for each connection.

It has no tokens, no replay buffer and no validation, which makes it cheaper.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, cast

import orjson
import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

Queues = defaultdict[str, set[asyncio.Queue[dict[str, str]]]]


def make_app(redis_url: str, key: str) -> Starlette:
    event_source: Any = import_module("sse_starlette").EventSourceResponse
    queues: Queues = defaultdict(set)

    async def follow(request: Request) -> Any:
        user_id = request.query_params["user_id"]

        async def frames() -> AsyncGenerator[dict[str, str]]:
            queue = asyncio.Queue[dict[str, str]](256)
            queues[user_id].add(queue)
            try:
                yield {"event": "hello", "data": "{}"}
                while True:
                    yield await queue.get()
            finally:
                queues[user_id].discard(queue)

        return event_source(frames(), ping=15)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        tailing = asyncio.create_task(tail(redis_url, key, queues))
        yield
        tailing.cancel()

    return Starlette(routes=[Route("/stream", follow)], lifespan=lifespan)


async def tail(redis_url: str, key: str, queues: Queues) -> None:
    # The process is suspended while others are measured, which must not time out.
    client = cast("Any", Redis).from_url(redis_url, socket_timeout=None)
    position = "0"
    while True:
        for _, entries in await client.xread({key: position}, count=500, block=1000):
            for entry_id, fields in entries:
                position = entry_id.decode()
                publish(position, orjson.loads(fields[b"data"]), queues)


def publish(position: str, event: dict[str, Any], queues: Queues) -> None:
    listeners = queues.get(event["user_id"])
    if listeners:
        frame = {"id": position, "event": "job", "data": orjson.dumps(event["frame"]).decode()}
        for queue in listeners:
            queue.put_nowait(frame)


if __name__ == "__main__":
    _, url, stream_key, port = sys.argv
    uvicorn.run(
        make_app(url, stream_key), port=int(port), log_level="error", access_log=False, backlog=4096
    )
