"""A server that answers in the formats of OpenAI and Anthropic, and fails in the ways they fail.

It says what a script of replies tells it, one for each request, and records what it has received.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, cast

Finish = Literal["stop", "length", "refused"]
_TEXT = re.compile(r'"(content|text|partial_json)": "[^"]')


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer; `cut_after` and `stall_after` are numbers of events."""

    text: str = ""
    finish: Finish = "stop"
    usage: tuple[int, int] | None = (11, 7)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut_after: int | None = None
    stall_after: int | None = None
    garbled: bool = False
    error_event: str | None = None
    delay: float = 0.0
    pieces: int = 4


OK = Reply(text="fine")


@dataclass(frozen=True)
class ReceivedRequest:
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class ModelServer:
    """`script` is used up reply by reply; then `default` is given."""

    def __init__(self) -> None:
        self.script: list[Reply] = []
        self.default = OK
        self.received: list[ReceivedRequest] = []
        self.sent: list[float] = []  # when each piece of text was sent
        self.url = ""
        self.tasks: set[asyncio.Task[None]] = set()
        self._stalled = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read_request(reader)
        self.received.append(request)
        reply = self.script.pop(0) if self.script else self.default
        if request.path.endswith("/embeddings"):
            await _send_json(writer, reply, _embeddings(request.body))
        elif reply.status != 200:
            await _send_json(writer, reply, _error_body(request.path))
        else:
            await self._stream(writer, request, reply)

    async def _stream(
        self, writer: asyncio.StreamWriter, request: ReceivedRequest, reply: Reply
    ) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        )
        make = _anthropic_events if request.path.endswith("/messages") else _openai_events
        for number, event in enumerate(make(request.body, reply)):
            if number == reply.stall_after:
                await self._stalled.wait()
            if number == reply.cut_after:
                await writer.drain()
                return
            await asyncio.sleep(reply.delay)
            data = event.encode()
            if _TEXT.search(event):
                self.sent.append(time.perf_counter())
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def release(self) -> None:
        self._stalled.set()


@asynccontextmanager
async def running_model_server() -> AsyncGenerator[ModelServer]:
    models = ModelServer()
    server = await asyncio.start_server(models.handle, "127.0.0.1", 0)
    models.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield models
    finally:
        models.release()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*models.tasks)


async def _read_request(reader: asyncio.StreamReader) -> ReceivedRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    return ReceivedRequest(first.split()[1], headers, json.loads(content or b"{}"))


async def _send_json(writer: asyncio.StreamWriter, reply: Reply, body: object) -> None:
    content = json.dumps(body).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "connection": "close",
        **reply.headers,
    }
    lines = [f"HTTP/1.1 {reply.status} Status", *(f"{n}: {v}" for n, v in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
    await writer.drain()


def _error_body(path: str) -> Mapping[str, Any]:
    error = {"type": "server_error", "message": "SECRET-IN-ERROR-BODY", "code": None, "param": None}
    return {"type": "error", "error": error} if path.endswith("/messages") else {"error": error}


def _pieces(text: str, count: int) -> Sequence[str]:
    size = max(1, -(-len(text) // count))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _openai_events(body: Mapping[str, Any], reply: Reply) -> Iterator[str]:
    def chunk(choices: object, usage: object = None) -> str:
        value = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_764_000_000,
            "model": body["model"],
            "choices": choices,
            "usage": usage,
        }
        return f"data: {json.dumps(value)}\n\n"

    def choice(delta: object, reason: str | None = None) -> object:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]

    yield ": keep-alive\n\n"
    yield chunk(choice({"role": "assistant", "content": "", "refusal": None}))
    name = "refusal" if reply.finish == "refused" else "content"
    for piece in _pieces(reply.text, reply.pieces):
        yield chunk(choice({name: piece}))
    if reply.garbled:
        yield "data: {not json\n\n"
    if reply.error_event:
        yield f"data: {json.dumps({'error': {'type': reply.error_event, 'message': 'x'}})}\n\n"
        return
    yield chunk(choice({}, "length" if reply.finish == "length" else "stop"))
    if reply.usage is not None and body.get("stream_options", {}).get("include_usage"):
        tokens_in, tokens_out = reply.usage
        usage = {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        }
        yield chunk([], usage)
    yield "data: [DONE]\n\n"


def _anthropic_events(body: Mapping[str, Any], reply: Reply) -> Iterator[str]:
    def event(name: str, **fields: object) -> str:
        return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n"

    tokens_in, tokens_out = reply.usage or (0, 0)
    usage = {"input_tokens": tokens_in, "output_tokens": 1} if reply.usage else {}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield event("message_start", message=message)
    uses_tool = "tools" in body and reply.finish != "refused"
    block: dict[str, object] = {"type": "text", "text": ""}
    if uses_tool:
        block = {"type": "tool_use", "id": "toolu_1", "name": "answer", "input": {}}
    yield event("content_block_start", index=0, content_block=block)
    yield event("ping")
    for piece in _pieces(reply.text, reply.pieces):
        delta = (
            {"type": "input_json_delta", "partial_json": piece}
            if uses_tool
            else {"type": "text_delta", "text": piece}
        )
        yield event("content_block_delta", index=0, delta=delta)
    if reply.garbled:
        yield "event: content_block_delta\ndata: {not json\n\n"
    if reply.error_event:
        yield event("error", error={"type": reply.error_event, "message": "x"})
        return
    yield event("content_block_stop", index=0)
    reasons = {"stop": "tool_use" if uses_tool else "end_turn", "length": "max_tokens"}
    yield event(
        "message_delta",
        delta={"stop_reason": reasons.get(reply.finish, "refusal"), "stop_sequence": None},
        **({"usage": {"output_tokens": tokens_out}} if reply.usage else {}),
    )
    yield event("message_stop")


def _embeddings(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Embed by the characters of a text, and list the last one first."""
    texts: list[str] = body["input"]
    data = [
        {"object": "embedding", "index": index, "embedding": _count_characters(text)}
        for index, text in reversed(list(enumerate(texts)))
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _count_characters(text: str) -> list[float]:
    counts = [float(text.lower().count(character)) for character in "abcdefghijklmnop"]
    length = sum(count * count for count in counts) ** 0.5 or 1.0
    return [count / length for count in counts]
