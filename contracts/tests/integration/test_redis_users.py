"""Each Redis user may do what its process needs, and no more, on a real Redis."""

import hashlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from msaas.contracts import ACL_USERS, PROCESSES, render_acl
from msaas.embedded import RedisServer

ENV = "prod"
ADMIN = "user admin on nopass ~* &* +@all\n"
STREAM = f"msaas:{ENV}:stream"
BROWSER, GENERIC = f"{STREAM}:jobs.browser.v1", f"{STREAM}:jobs.generic.v1"
COMMANDS, RESULTS = f"{STREAM}:jobs.commands.v1", f"{STREAM}:jobs.results.v1"
CONTROL, EVENTS, USAGE = (
    f"{STREAM}:{topic}.v1" for topic in ("jobs.control", "jobs.events", "usage.events")
)
AUDIT = f"{STREAM}:audit.events.v1"
MONEY, WEBHOOKS = f"{STREAM}:billing.commands.v1", f"{STREAM}:billing.webhooks.v1"
USAGE_REQUESTS = f"{STREAM}:usage.requests.v1"
AGENTS, OUTCOMES = f"{STREAM}:jobs.agents.v1", f"{STREAM}:jobs.outcomes.v1"
RUN_COMMANDS, RUN_EVENTS = f"{STREAM}:agents.commands.v1", f"{STREAM}:agents.events.v1"
REPLY, OTHERS_REPLY = f"msaas:{ENV}:reply:gateway-h-1-2", f"msaas:{ENV}:reply:jobs-h-1-2"
AGENTS_REPLY = f"msaas:{ENV}:reply:agents-h-1-2"
EPOCH, CANCEL = f"msaas:{ENV}:epoch", f"msaas:{ENV}:cancel:j1"
RUN_CLAIM = f"msaas:{ENV}:claim:j1:c1"
FEATURE = f"msaas:{ENV}:feature:FF_X:global"
QUEUE = f"msaas:{ENV}:queue:jobs.generic"
LIMIT, CLAIM = f"msaas:{ENV}:ratelimit:standard:u1", f"msaas:{ENV}:idempotency:u1:k1"
VIEW = f"msaas:{ENV}:cache:usage:u1"

SendCommand = Callable[..., str]


class RespConnection:
    """A minimal RESP2 client for one command at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._replies = self._socket.makefile("rb")

    def send(self, *arguments: str) -> str:
        parts = "".join(f"${len(argument.encode())}\r\n{argument}\r\n" for argument in arguments)
        self._socket.sendall(f"*{len(arguments)}\r\n{parts}".encode())
        return self._read()

    def close(self) -> None:
        self._replies.close()
        self._socket.close()

    def _read(self) -> str:
        line = self._replies.readline().decode().rstrip("\r\n")
        if line.startswith("$") and line != "$-1":
            return self._replies.read(int(line[1:]) + 2).decode().rstrip("\r\n")
        if line.startswith("*"):
            return "|".join(self._read() for _ in range(int(line[1:])))
        return line


@pytest.fixture
def connect(
    private_redis: Callable[..., RedisServer], tmp_path: Path
) -> Iterator[Callable[[str], SendCommand]]:
    """Return a way to log in to a Redis that runs with the generated file."""
    hashes = {user: hashlib.sha256(f"of {user}".encode()).hexdigest() for user in ACL_USERS}
    (tmp_path / "users.acl").write_text(render_acl(ENV, hashes) + ADMIN)
    server = private_redis(aof=False, config={"aclfile": str(tmp_path / "users.acl")})
    opened: list[RespConnection] = []

    def log_in(user: str) -> SendCommand:
        opened.append(RespConnection(server.port))
        assert opened[-1].send("AUTH", user, f"of {user}") == "+OK"
        return opened[-1].send

    yield log_in
    for connection in opened:
        connection.close()


def consumer_commands(key: str, group: str) -> list[str]:
    return [
        f"XGROUP CREATE {key} {group} 0 MKSTREAM",
        f"XREADGROUP GROUP {group} me COUNT 1 STREAMS {key} >",
        f"XACK {key} {group} 1-1",
        f"XDEL {key} 1-1",
        f"XCLAIM {key} {group} me 0 1-1 JUSTID",
        f"XAUTOCLAIM {key} {group} me 0 0",
        f"XPENDING {key} {group}",
        f"XINFO GROUPS {key}",
        f"XLEN {key}",
        f"XRANGE {key} - +",
        f"XGROUP DELCONSUMER {key} {group} me",
        f"XADD {key}.dlq * a b",
        f"XADD {key}.dlq.poison * a b",
        f"XLEN {key}.dlq",
    ]


def tail_commands(key: str) -> list[str]:
    return [f"XREAD STREAMS {key} 0", f"XREVRANGE {key} + - COUNT 1", f"XLEN {key}"]


def append_commands(key: str) -> list[str]:
    return [f"XADD {key} * a b", f"XADD {key} MINID ~ 5 * a b"]


def forbidden_writes(*keys: str) -> list[str]:
    return [
        command
        for key in keys
        for command in (
            f"XADD {key} * a b",
            f"XTRIM {key} MAXLEN 0",
            f"XSETID {key} 9-9",
            f"DEL {key}",
            f"UNLINK {key}",
            f"EXPIRE {key} 1",
            f"RENAME {key} x",
            f"COPY {key} x",
            f"RESTORE {key} 0 x",
            f"SET {key} x",
        )
    ]


ALLOWED_TO_ALL = [
    *("PING", "TIME", "INFO server", "CLIENT SETNAME x", "CLIENT ID"),
    *("MULTI", "EXEC", "DISCARD", "HELLO 2"),
]
DENIED_TO_ALL = [
    *("FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG SET maxmemory 1", "CONFIG GET *", "SHUTDOWN"),
    *("ACL LIST", "ACL SETUSER x on", "DEBUG SLEEP 0", "MONITOR", f"EVAL script 1 {EPOCH}", "SAVE"),
    *(
        "SUBSCRIBE x",
        "PUBLISH x y",
        "REPLICAOF NO ONE",
        "CLIENT KILL ID 1",
        "CLIENT PAUSE 1",
        "CLIENT TRACKING ON",
    ),
    f"XADD msaas:{ENV}x:stream:jobs.results.v1 * a b",
    *("SELECT 1", "SWAPDB 0 1", "SLOWLOG GET", "FUNCTION LIST", "GET other", "LPUSH other x"),
]
ALLOWED = {
    "gateway": [
        *append_commands(COMMANDS),
        f"XLEN {COMMANDS}",
        *tail_commands(EVENTS),
        *tail_commands(REPLY),
        f"XREAD STREAMS {EVENTS} {REPLY} 0 0",
        f"DEL {REPLY}",
        f"EXPIRE {REPLY} 60",
        *(f"{command} script 1 {key}" for command in ("EVAL", "EVALSHA") for key in (LIMIT, CLAIM)),
        f"EVALSHA script 2 {LIMIT} {LIMIT}2",
        *(f"GET {LIMIT}", f"SET {LIMIT} 1 PX 5"),
        *(f"HMGET {CLAIM} mark answer", f"HSET {CLAIM} mark x", f"HDEL {CLAIM} owner"),
        *(f"HGET {CLAIM} owner", f"PEXPIRE {CLAIM} 5", f"PTTL {CLAIM}", f"DEL {CLAIM}"),
        *(f"GET {VIEW}", f"SET {VIEW} x PX 5", f"SET {FEATURE} off EX 5"),
        *append_commands(AUDIT),
        *(f"XINFO GROUPS {BROWSER}", f"XPENDING {USAGE} billing", f"XLEN {RESULTS}.dlq"),
    ],
    "jobs": [
        *consumer_commands(COMMANDS, "jobs"),
        *consumer_commands(RESULTS, "jobs"),
        *(command for key in (BROWSER, GENERIC, USAGE) for command in append_commands(key)),
        *(command for key in (COMMANDS, RESULTS) for command in append_commands(key)),
        *(command for key in (CONTROL, EVENTS, REPLY) for command in append_commands(key)),
        f"EXPIRE {REPLY} 60",
        f"XRANGE {BROWSER} 1-1 1-1",
        f"XDEL {GENERIC} 1-1",
        f"XPENDING {BROWSER} browser-workers",
        f"XINFO GROUPS {USAGE}",
        f"XRANGE {BROWSER}.dlq - +",
        f"XDEL {GENERIC}.dlq.poison 1-1",
        f"SET {CANCEL} 1 EX 60",
        f"DEL {CANCEL}",
        *(f"RPOP {QUEUE}", f"LINDEX {QUEUE} -1", f"EVAL script 2 {QUEUE} {COMMANDS}"),
    ],
    "jobs-worker": [
        *consumer_commands(GENERIC, "jobs"),
        *append_commands(RESULTS),
        f"XLEN {RESULTS}",
        *tail_commands(CONTROL),
        f"GET {CANCEL}",
        f"EXISTS {CANCEL}",
        f"MGET {FEATURE}",
    ],
    "browser-worker": [
        *consumer_commands(BROWSER, "browser-workers"),
        *append_commands(RESULTS),
        *tail_commands(CONTROL),
        f"GET {CANCEL}",
        f"EXISTS {CANCEL}",
        f"MGET {FEATURE}",
        f"SET {RUN_CLAIM} x NX GET PX 5",
    ],
    "billing": [
        *consumer_commands(USAGE, "billing"),
        f"XRANGE {USAGE}.dlq - +",
        f"XDEL {USAGE}.dlq 1-1",
        *(command for key in (MONEY, WEBHOOKS) for command in consumer_commands(key, "billing")),
        *append_commands(REPLY),
    ],
    "billing-cron": [
        *(f"XADD {key} * a b" for key in (MONEY, WEBHOOKS, USAGE_REQUESTS)),
        f"GET {EPOCH}",
    ],
    "agents": [
        *(
            command
            for key in (AGENTS, OUTCOMES, RUN_COMMANDS)
            for command in consumer_commands(key, "agents")
        ),
        *(
            command
            for key in (RESULTS, COMMANDS, RUN_EVENTS, REPLY)
            for command in append_commands(key)
        ),
        *tail_commands(CONTROL),
        *(f"XREAD STREAMS {AGENTS_REPLY} 0", f"DEL {AGENTS_REPLY}", f"EXPIRE {REPLY} 60"),
        *(f"GET {CANCEL}", f"EXISTS {CANCEL}", f"MGET {FEATURE}"),
    ],
    "privacy": [*consumer_commands(AUDIT, "privacy"), f"XRANGE {AUDIT}.dlq - +"],
    "intake": [f"LPUSH {QUEUE} x", f"LLEN {QUEUE}"],
    "operator": [
        *("SCAN 0", "CLIENT LIST", "ACL WHOAMI", f"TYPE {EPOCH}", f"MEMORY USAGE {BROWSER}"),
        *(f"XLEN {BROWSER}", f"XINFO GROUPS {BROWSER}", f"XPENDING {COMMANDS} jobs"),
        *(f"XREAD STREAMS {EVENTS} 0", f"XRANGE {RESULTS}.dlq - +"),
    ],
}
DENIED = {
    "gateway": [
        *forbidden_writes(RESULTS, EVENTS, BROWSER, USAGE),
        f"XRANGE {COMMANDS} - +",
        f"XDEL {COMMANDS} 1-1",
        f"XREADGROUP GROUP jobs me STREAMS {COMMANDS} >",
        f"XADD {REPLY} * a b",
        f"XREAD STREAMS {OTHERS_REPLY} 0",
        f"XREAD STREAMS {REPLY} {OTHERS_REPLY} 0 0",
        f"SET {CANCEL} 1",
        f"EVAL script 1 {COMMANDS}",
        *(f"HGETALL {CLAIM}", f"MGET {VIEW}"),
        *(f"XRANGE {BROWSER} - +", f"XRANGE {AUDIT} - +", f"XINFO STREAM {BROWSER} FULL"),
    ],
    "jobs": [
        f"XREADGROUP GROUP browser-workers me STREAMS {BROWSER} >",
        f"XREADGROUP GROUP billing me STREAMS {USAGE} >",
        f"XREAD STREAMS {REPLY} 0",
        f"DEL {REPLY}",
        f"XADD {USAGE}.dlq * a b",
        f"LPUSH {QUEUE} x",
        f"EVAL script 1 {USAGE}",
        *(f"GET {LIMIT}", f"HGET {CLAIM} answer", f"GET {VIEW}", f"EVALSHA script 1 {CLAIM}"),
        "CLIENT LIST",
        f"XGROUP DESTROY {COMMANDS} jobs",
    ],
    "jobs-worker": [
        *forbidden_writes(GENERIC, BROWSER, COMMANDS, EVENTS, CONTROL, USAGE),
        f"XRANGE {BROWSER} - +",
        f"XREADGROUP GROUP browser-workers me STREAMS {BROWSER} >",
        f"XRANGE {RESULTS} - +",
        f"XDEL {RESULTS} 1-1",
        f"XREADGROUP GROUP jobs me STREAMS {RESULTS} >",
        f"SET {CANCEL} 1",
        *(f"DEL {CANCEL}", f"SET {FEATURE} on"),
        f"SET {RUN_CLAIM} x NX GET PX 5",
        f"XRANGE {GENERIC}.dlq - +",
        f"XADD {REPLY} * a b",
        f"XGROUP SETID {GENERIC} jobs 0",
        f"XGROUP DESTROY {GENERIC} jobs",
    ],
    "browser-worker": [
        *forbidden_writes(BROWSER, GENERIC, COMMANDS, EVENTS, CONTROL, USAGE),
        f"XRANGE {GENERIC} - +",
        f"XRANGE {RESULTS} - +",
        f"XDEL {RESULTS} 1-1",
        f"SET {CANCEL} 1",
        *(f"SET {FEATURE} on", f"GET {VIEW}"),
        f"DEL {RUN_CLAIM}",
        f"XRANGE {BROWSER}.dlq - +",
        f"XADD {REPLY} * a b",
        f"XREAD STREAMS {EVENTS} 0",
    ],
    "billing": [
        *forbidden_writes(USAGE, COMMANDS, RESULTS),
        f"XRANGE {COMMANDS} - +",
        f"GET {CANCEL}",
    ],
    "billing-cron": [
        *forbidden_writes(USAGE, COMMANDS, RESULTS, EVENTS),
        *(f"XRANGE {key} - +" for key in (MONEY, WEBHOOKS, USAGE)),
        f"XREADGROUP GROUP billing me STREAMS {MONEY} >",
        f"XADD {REPLY} * a b",
    ],
    "agents": [
        *forbidden_writes(AGENTS, OUTCOMES, RUN_COMMANDS, BROWSER, CONTROL, EVENTS),
        *(f"XRANGE {key} - +" for key in (RESULTS, COMMANDS, BROWSER)),
        *(f"XDEL {RESULTS} 1-1", f"XREADGROUP GROUP jobs me STREAMS {COMMANDS} >"),
        *(f"XREAD STREAMS {REPLY} 0", f"XREAD STREAMS {RUN_EVENTS} 0"),
        *(f"SET {CANCEL} 1", f"SET {FEATURE} on", f"SET {RUN_CLAIM} x NX GET PX 5"),
    ],
    "privacy": [f"XRANGE {COMMANDS} - +", *forbidden_writes(COMMANDS)],
    "intake": [
        *forbidden_writes(COMMANDS, RESULTS),
        *(f"RPOP {QUEUE}", f"LRANGE {QUEUE} 0 -1", f"EVAL script 2 {QUEUE} {COMMANDS}"),
    ],
    "operator": [
        f"LPUSH {QUEUE} x",
        *forbidden_writes(BROWSER, EVENTS, f"{RESULTS}.dlq"),
        f"XRANGE {BROWSER} - +",
        f"XINFO STREAM {BROWSER} FULL",
        f"XDEL {RESULTS}.dlq 1-1",
        f"GET {CANCEL}",
        f"SET {EPOCH} x",
    ],
}


def test_the_tables_cover_every_user() -> None:
    assert set(ALLOWED) == set(DENIED) == set(ACL_USERS)


def test_users_can_run_exactly_the_commands_they_need(
    connect: Callable[[str], SendCommand],
) -> None:
    execute = connect("admin")

    def may(user: str, command: str) -> bool:
        answer = execute("ACL", "DRYRUN", user, *command.split())
        assert answer == "+OK" or " has no permissions to " in answer, (command, answer)
        return answer == "+OK"

    refused = [
        f"{user}: {command}"
        for user in ACL_USERS
        for command in (*ALLOWED_TO_ALL, *ALLOWED[user], *_epoch_reads(user))
        if not may(user, command)
    ]
    accepted = [
        f"{user}: {command}"
        for user in ACL_USERS
        for command in (*DENIED_TO_ALL, *DENIED[user])
        if may(user, command)
    ]
    assert (refused, accepted) == ([], [])


def _epoch_reads(user: str) -> tuple[str, ...]:
    return (f"GET {EPOCH}",) if user in PROCESSES else ()


def test_one_user_creates_the_epoch_and_none_changes_it(
    connect: Callable[[str], SendCommand],
) -> None:
    execute = connect("admin")
    writes = ("SET {} x", "SET {} x NX GET", "SETNX {} x", "GETSET {} x", "DEL {}", "EXPIRE {} 1")
    allowed = [
        (user, command.split()[0])
        for user in ACL_USERS
        for command in writes
        if execute("ACL", "DRYRUN", user, *command.format(EPOCH).split()) == "+OK"
    ]
    assert allowed == [("jobs", "SETNX")]


def test_a_worker_reads_its_input_and_cannot_forge_it(
    connect: Callable[[str], SendCommand],
) -> None:
    jobs, worker = connect("jobs"), connect("browser-worker")
    entry_id = jobs("XADD", BROWSER, "*", "type", "JobEnvelope")
    assert worker("XGROUP", "CREATE", BROWSER, "browser-workers", "0") == "+OK"
    read = worker("XREADGROUP", "GROUP", "browser-workers", "me", "STREAMS", BROWSER, ">")
    assert entry_id in read
    assert worker("XADD", BROWSER, "*", "type", "JobEnvelope").startswith("-NOPERM")
    assert worker("MULTI") == "+OK"
    assert worker("XADD", RESULTS, "*", "type", "JobStarted") == "+QUEUED"
    assert worker("XACK", BROWSER, "browser-workers", entry_id) == "+QUEUED"
    assert worker("XDEL", BROWSER, entry_id) == "+QUEUED"
    assert worker("EXEC").endswith("|:1|:1")


def test_a_client_can_set_its_library_name(connect: Callable[[str], SendCommand]) -> None:
    answer = connect("jobs")("CLIENT", "SETINFO", "LIB-NAME", "x")
    assert not answer.startswith("-NOPERM"), "Redis 7.0 does not know it, which is no refusal"


def test_a_connection_without_a_password_is_refused(
    private_redis: Callable[..., RedisServer], root: Path, tmp_path: Path
) -> None:
    committed = root / "contracts/redis/users.acl"
    own = tmp_path / "users.acl"
    own.write_text(committed.read_text())
    connection = RespConnection(private_redis(aof=False, config={"aclfile": str(own)}).port)
    answers = [connection.send("PING"), connection.send("AUTH", "jobs", "")]
    connection.close()
    assert [answer.split()[0] for answer in answers] == ["-NOAUTH", "-WRONGPASS"]
