"""The Redis ACL file: one user for each kind of process, with the grants its topics need.

Each command is granted only on the keys it is needed for. A consumer, for example, may acknowledge
entries of its stream but not add any.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from msaas.contracts.jobs import JobEnvelope
from msaas.contracts.keys import (
    cache_key,
    cancel_key,
    claim_key,
    epoch_key,
    feature_key,
    idempotency_key,
    queue_key,
    rate_limit_key,
    reply_key,
)
from msaas.contracts.processes import EPOCH_CREATOR, PROCESSES
from msaas.contracts.registry import TOPICS
from msaas.contracts.tasks import TASKS
from msaas.contracts.topics import Topic, TopicKind

OPERATOR = "operator"
INTAKE = "intake"
ACL_USERS = (*PROCESSES, OPERATOR, INTAKE)
INTAKE_QUEUE = "jobs.generic"
EDGE = "gateway"

# CLIENT is opened and then cut down: Redis 7.0 will not load a file that names CLIENT SETINFO.
_KEYLESS = (
    *("+auth", "+discard", "+exec", "+hello", "+info", "+multi", "+ping", "+time", "+client"),
    *("-client|kill", "-client|list", "-client|no-evict", "-client|pause", "-client|tracking"),
    *("-client|unblock", "-client|unpause"),
)
_WATCH = ("+acl|whoami", "+client|list", "+latency|latest", "+scan")
_INSPECT = ("xinfo", "xlen", "xpending", "xrange", "xrevrange")
_CONSUME = (
    *("xack", "xautoclaim", "xclaim", "xdel", "xgroup|create", "xgroup|delconsumer"),
    *("xinfo", "xlen", "xpending", "xrange", "xreadgroup"),
)
_TAIL = ("xinfo", "xlen", "xrange", "xread", "xrevrange")
# An operator reads these figures of any key; entries only of logs and dead letters (no secrets).
_MEASURE = (
    *("exists", "memory|usage", "ttl", "type"),
    *("xinfo|consumers", "xinfo|groups", "xlen", "xpending"),
)
# The gateway shows operators how full topics are; it reads no entry.
_GAUGE = ("xinfo|groups", "xlen", "xpending")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_Grants = defaultdict[str, set[str]]


def render_acl(env: str = "*", password_hashes: Mapping[str, str] | None = None) -> str:
    """Return the file's text; a user without a password hash (SHA-256, hex) is disabled."""
    hashes = password_hashes or {}
    for user, password_hash in hashes.items():
        if user not in ACL_USERS or not _SHA256.fullmatch(password_hash):
            raise ValueError(f"not a known user with a SHA-256 in hex: {user!r}")
    lines = ["user default off"]
    lines += [_line(p, hashes.get(p), _KEYLESS, _grants(p, env)) for p in PROCESSES]
    operator_grants = _operator_grants(env)
    lines.append(_line(OPERATOR, hashes.get(OPERATOR), (*_KEYLESS, *_WATCH), operator_grants))
    pushes = _merge_grants((("llen", "lpush"), queue_key(env, INTAKE_QUEUE)))
    lines.append(_line(INTAKE, hashes.get(INTAKE), _KEYLESS, pushes))
    return "\n".join(lines) + "\n"


def _line(user: str, password_hash: str | None, keyless: Iterable[str], grants: _Grants) -> str:
    state = ("on", f"#{password_hash}") if password_hash else ("off",)
    return " ".join(("user", user, *state, "resetchannels", "-@all", *keyless, *_selectors(grants)))


def _selectors(grants: _Grants) -> list[str]:
    """Group commands with the same keys into one selector."""
    together: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for command in sorted(grants):
        together[tuple(sorted(grants[command]))].append(command)
    return sorted(
        "(" + " ".join([*(f"+{c}" for c in commands), *(f"~{key}" for key in keys)]) + ")"
        for keys, commands in together.items()
    )


def _merge_grants(*granted: tuple[Iterable[str], str]) -> _Grants:
    grants: _Grants = defaultdict(set)
    for commands, key in granted:
        for command in commands:
            grants[command].add(key)
    return grants


def _grants(process: str, env: str) -> _Grants:
    # SETNX creates the epoch and changes none: SET could end everybody's view of the data.
    epoch = ("get", "setnx") if process == EPOCH_CREATOR else ("get",)
    granted: list[tuple[Iterable[str], str]] = [(epoch, epoch_key(env))]
    if process == EDGE:
        granted += _edge_grants(env)
    for topic in TOPICS.values():
        granted += _topic_grants(topic, process, env)
    return _merge_grants(*granted)


def _topic_grants(topic: Topic, process: str, env: str) -> list[tuple[Iterable[str], str]]:
    granted: list[tuple[Iterable[str], str]] = []
    if process in topic.producers:
        granted += _producer_grants(topic, process, env)
    if process in topic.consumers:
        granted += _consumer_grants(topic, process, env)
    if process == topic.dlq_owner:
        dead_letter_keys = _dead_letter_keys(topic, env, topic.consumers)
        granted += [(("xdel", "xlen", "xrange"), key) for key in dead_letter_keys]
    if JobEnvelope in topic.messages:
        granted += _job_grants(topic, process, env)
        granted += _claim_grants(topic, process, env)
    if topic.name == "jobs.commands" and process == topic.owner:
        granted += _intake_grants(topic, env)
    if process == EDGE and topic.kind is TopicKind.WORK:
        granted += _gauge_grants(topic, env)
    return granted


def _edge_grants(env: str) -> list[tuple[Iterable[str], str]]:
    """Grant the scripts of rate limits and idempotency claims, and the caches."""
    scripts, limits = ("eval", "evalsha"), rate_limit_key(env, "*", "*")
    claims = idempotency_key(env, "*", "*")
    return [
        ((*scripts, "get", "set"), limits),
        ((*scripts, "del", "hdel", "hget", "hmget", "hset", "pexpire", "pttl"), claims),
        (("get", "set"), cache_key(env, "*", "*")),
        (("set",), feature_key(env, "*", "*")),
    ]


def _operator_grants(env: str) -> _Grants:
    granted: list[tuple[Iterable[str], str]] = [(_MEASURE, f"msaas:{env}:*")]
    for topic in TOPICS.values():
        if topic.kind is TopicKind.LOG:
            granted.append((("xrange", "xread", "xrevrange"), topic.key(env)))
        if topic.kind is TopicKind.WORK:
            granted += [
                (("xrange",), key) for key in _dead_letter_keys(topic, env, topic.consumers)
            ]
    return _merge_grants(*granted)


def _producer_grants(topic: Topic, process: str, env: str) -> list[tuple[Iterable[str], str]]:
    if topic.kind is TopicKind.REPLY:
        return [(("expire", "xadd"), reply_key(env, "*"))]
    if topic.kind is TopicKind.LOG:
        return [(("xadd",), topic.key(env))]
    # The owner also inspects entries in flight and deletes them.
    commands = ("xadd", "xdel", *_INSPECT) if process == topic.owner else ("xadd", "xlen")
    return [(commands, key) for key in topic.keys(env)]


def _consumer_grants(topic: Topic, process: str, env: str) -> list[tuple[Iterable[str], str]]:
    if topic.kind is TopicKind.REPLY:
        return [(("del", "expire", *_TAIL), reply_key(env, f"{process}-*"))]
    if topic.kind is TopicKind.LOG:
        return [(_TAIL, topic.key(env))]
    dead_letter_grants = [
        (("xadd", "xlen"), key) for key in _dead_letter_keys(topic, env, (process,))
    ]
    return [(_CONSUME, topic.key(env, process)), *dead_letter_grants]


def _dead_letter_keys(topic: Topic, env: str, consumers: Iterable[str]) -> list[str]:
    return [
        key
        for consumer in consumers
        for key in (topic.dead_letter_key(env, consumer), topic.poison_key(env, consumer))
    ]


def _gauge_grants(topic: Topic, env: str) -> list[tuple[Iterable[str], str]]:
    """Grant the lengths and lags of its streams and dead letters, but no entry."""
    dead = [(("xlen",), key) for key in _dead_letter_keys(topic, env, topic.consumers)]
    return [*((_GAUGE, key) for key in topic.keys(env)), *dead]


def _intake_grants(topic: Topic, env: str) -> list[tuple[Iterable[str], str]]:
    """Let the owner move entries from the intake list to its topic in one script."""
    queue = queue_key(env, INTAKE_QUEUE)
    scripts = [(("eval",), key) for key in (queue, *topic.keys(env))]
    return [*scripts, (("lindex", "llen", "rpop"), queue)]


def _job_grants(topic: Topic, process: str, env: str) -> list[tuple[Iterable[str], str]]:
    """Let producers of envelopes mark jobs as cancelled; consumers read the marks and the flags."""
    marks, flags = cancel_key(env, "*"), feature_key(env, "*", "*")
    writes = [(("del", "exists", "get", "set"), marks)] if process in topic.producers else []
    reads = [(("exists", "get"), marks), (("mget",), flags)] if process in topic.consumers else []
    return [*writes, *reads]


def _claim_grants(topic: Topic, process: str, env: str) -> list[tuple[Iterable[str], str]]:
    """Let workers of tasks that run once claim their runs."""
    runs_once = any(task.once and task.topic == topic.name for task in TASKS.values())
    if not runs_once or process not in topic.consumers:
        return []
    return [(("get", "set"), claim_key(env, "*", "*"))]
