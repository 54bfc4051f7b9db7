"""Hostile requests: each kind is a function from a random source to what is sent."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Final

from msaas.contracts import TASKS
from msaas.dev.abuse.attack import Attack, Bound, Send, Target, exchange

_MEGABYTE: Final = 1024 * 1024
# A parsed body of 1 MiB of brackets would take 0.16 to 0.5 s.
_BOUND: Final = Bound(cpu_seconds=0.15, megabytes=96)
_SERVER_ERROR: Final = 500
_PATHS: Final = (
    *("/api/v1/jobs", "/api/v1/jobs/batch", "/api/v1/api-keys", "/api/v1/ops/dead-letters/replay"),
    *("/api/v1/nowhere", "/", "/docs"),
)
_VALUES: Final = (
    *('"\\u0000"', '"\\ud800"', "1e999", "-0", "NaN", "9" * 400, "null", "[]", "{}", '""', "true"),
    *('"' + "x" * 70_000 + '"', '"http://127.0.0.1:1/"', '"javascript:1"', "[" * 90 + "]" * 90),
)


def _make_head(random: Random, token: str, *lines: bytes) -> bytes:
    credentials = [
        "",
        "Bearer a.b.c",
        "Bearer " + "x" * 8_000,
        f"Bearer msk_{random.random()}",
        token,
    ]
    chosen = random.choice(credentials)
    head = [
        f"POST {random.choice(_PATHS)} HTTP/1.1\r\nhost: localhost".encode(),
        b"content-type: application/json",
        *([f"authorization: {chosen}".encode()] if chosen else []),
        *lines,
    ]
    return b"\r\n".join(head) + b"\r\n\r\n"


def _make_request(random: Random, token: str, body: bytes) -> Sequence[bytes]:
    return [_make_head(random, token, b"content-length: %d" % len(body)), body]


def _send_brackets(random: Random, token: str) -> Iterable[bytes]:
    opening, closing = random.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
    depth = random.randint(1, _MEGABYTE) // len(opening)
    return _make_request(random, token, opening * depth + closing * random.choice([0, depth]))


def _send_wide(random: Random, token: str) -> Iterable[bytes]:
    item = random.choice([b"1,", b'"",', b"{},", b"[],", b"null,", b'"\\u0041",', b" \n"])
    items = item * (random.randint(1, _MEGABYTE) // len(item))
    return _make_request(random, token, b'{"params":[' + items + b"1]}")


def _send_repeated_keys(random: Random, token: str) -> Iterable[bytes]:
    key = random.choice([b'"task_type":"echo",', b'"params":{},', b'"%d":0,', b'"":0,'])
    many = range(random.randint(1, 60_000))
    keys = b"".join(key % number if b"%d" in key else key for number in many)
    return _make_request(random, token, b"{" + keys + b'"task_type":"echo","params":{}}')


def _send_bad_text(random: Random, token: str) -> Iterable[bytes]:
    text = random.choice([b"\\u0000", b"\\ud800", b"\0", b"\xff\xfe", b"\\", b"\xed\xa0\x80"])
    text *= random.randint(1, 30_000)
    return _make_request(random, token, b'{"task_type":"echo","params":{"message":"%b"}}' % text)


def _send_long_numbers(random: Random, token: str) -> Iterable[bytes]:
    digits = random.choice([b"9", b"0", b"1e9", b"-", b".5"]) * random.randint(1, 200_000)
    return _make_request(random, token, b'{"task_type":"echo","params":{"delay_ms":%b}}' % digits)


def _send_endless_chunks(random: Random, token: str) -> Iterable[bytes]:
    size = random.choice([1, 1_000, 65_536])
    chunk = b"%x\r\n%b\r\n" % (size, b"[" * size)
    head = _make_head(random, token, b"transfer-encoding: chunked")
    return _repeat(head, chunk, 8 * _MEGABYTE // size if size > 1 else 20_000)


def _repeat(head: bytes, piece: bytes, times: int) -> Iterator[bytes]:
    yield head
    for _ in range(times):
        yield piece
    yield b""


def _send_wrong_lengths(random: Random, token: str) -> Iterable[bytes]:
    length = random.choice([b"-1", b"1e3", b"9" * 30, b"", b"5, 5", b"5\r\ncontent-length: 6"])
    lines = random.choice(
        [
            [b"content-length: " + length],
            [b"content-length: 3", b"transfer-encoding: chunked"],
            [b"transfer-encoding: chunked, chunked"],
            [b"content-length: %d" % random.randint(0, _MEGABYTE)],
        ]
    )
    return [_make_head(random, token, *lines), b'{"a":1}' * random.randint(0, 3), b""]


def _send_large_heads(random: Random, token: str) -> Iterable[bytes]:
    size = random.randint(1, _MEGABYTE)
    lines = random.choice(
        [
            [b"x-long: " + b"x" * size],
            [b"x-%d: y" % number for number in range(size // 16)],
            [b"cookie: " + b"a=b; " * (size // 5)],
            [b"traceparent: " + b"00-" * (size // 3), b"tracestate: " + b"a=b," * (size // 8)],
            [b"idempotency-key: " + b"k" * (size // 100), b"accept-encoding: " + b"gzip," * 5_000],
        ]
    )
    return [_make_head(random, token, *lines, b"content-length: 0")]


def _send_broken_bytes(random: Random, token: str) -> Iterable[bytes]:
    body = b'{"task_type":"echo","params":{"message":"a"}}'
    sent = bytearray(b"".join(_make_request(random, token, body)))
    for _ in range(random.randint(1, 12)):
        sent[random.randrange(len(sent))] = random.randrange(256)
    return [bytes(sent), b""]


def _send_odd_params(random: Random, token: str) -> Iterable[bytes]:
    """Send well-formed jobs of every task with values that no honest client sends."""
    task = random.choice(list(TASKS.values()))
    names = [*task.params.model_fields, "x" * 500]
    pairs = (
        f"{json.dumps(name)}:{random.choice(_VALUES)}"
        for name in random.sample(names, random.randint(1, len(names)))
    )
    body = f'{{"task_type":{json.dumps(task.task_type)},"params":{{{",".join(pairs)}}}}}'.encode()
    head = (
        f"POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return [head.encode(), body]


Kind = Callable[[Random, str], Iterable[bytes]]
KINDS: Final[Mapping[str, Kind]] = {
    "deep brackets": _send_brackets,
    "wide JSON": _send_wide,
    "repeated keys": _send_repeated_keys,
    "text that is none": _send_bad_text,
    "long numbers": _send_long_numbers,
    "endless chunks": _send_endless_chunks,
    "wrong lengths": _send_wrong_lengths,
    "large heads": _send_large_heads,
    "broken bytes": _send_broken_bytes,
    "odd parameters": _send_odd_params,
}


def _make_sender(kind: Kind) -> Send:
    async def send(target: Target, random: Random, cases: int) -> Sequence[str]:
        problems: list[str] = []
        for case in range(cases):
            try:
                status = await exchange(target, kind(random, target.token))
            except TimeoutError:
                problems.append(f"case {case} was not answered")
            else:
                if status is not None and status == _SERVER_ERROR:
                    problems.append(f"case {case} was answered with {status}")
        return problems

    return send


BODIES: Final = [
    Attack(name, "gateway", _BOUND, _make_sender(kind)) for name, kind in KINDS.items()
]
