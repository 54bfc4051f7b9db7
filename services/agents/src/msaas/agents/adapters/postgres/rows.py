"""What the stores share: the lock on a run, JSON that Postgres stores, and rows as values."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

import orjson

from msaas.agents.domain.ceilings import RunCeilings
from msaas.agents.domain.errors import StaleRun
from msaas.agents.domain.runs import RunHead, StoredRun
from msaas.contracts import Plan, Spend, normalise_text
from msaas.postgres import DatabaseConnection

# Whoever holds a run's row does a few statements; a frozen process loses it after five seconds.
LOCK_TIMEOUT: Final = 10.0

RUN_COLUMNS: Final = """
id AS run_id, user_id, workflow_type, plan, state, title, params::text AS params, graph_fingerprint,
max_steps, max_tokens, max_cost_micro_usd, max_seconds, steps, tokens_in, tokens_out, tokens_lost,
tokens_reserved, cost_micro_usd, cost_reserved_micro_usd, model_calls, repeated_calls, child_jobs,
partial_reason, failure_reason, answer::text AS answer, version, started_at, deadline_at,
created_at, updated_at, finished_at
"""
_LOCK: Final = """
SELECT user_id, plan, state, fence, clock_timestamp() > deadline_at AS is_late
FROM agents.runs WHERE id = $1 FOR NO KEY UPDATE
"""
_SPEND: Final = tuple(Spend.model_fields)


class LockedRun(NamedTuple):
    user_id: UUID
    plan: Plan
    head: RunHead
    is_late: bool


async def find_locked(connection: DatabaseConnection, run_id: UUID) -> LockedRun | None:
    """Lock the row: until the transaction ends nobody else changes anything of the run."""
    row = await connection.fetchrow(_LOCK, run_id)
    if row is None:
        return None
    head = RunHead(row["state"], row["fence"])
    return LockedRun(row["user_id"], Plan(row["plan"]), head, row["is_late"])


async def lock_run(connection: DatabaseConnection, run_id: UUID, fence: UUID) -> LockedRun:
    """Lock a run that this fence holds."""
    run = await find_locked(connection, run_id)
    if run is None:
        raise StaleRun
    run.head.check_holder(fence)
    return run


def read_run(row: Any) -> StoredRun:
    values = dict(row)
    spend = Spend(**{name: values.pop(name) for name in _SPEND})
    ceilings = RunCeilings(
        steps=values.pop("max_steps"),
        tokens=values.pop("max_tokens"),
        cost_micro_usd=values.pop("max_cost_micro_usd"),
        seconds=values.pop("max_seconds"),
    )
    values |= {name: load_json(values[name]) for name in ("params", "answer")}
    values["plan"] = Plan(values["plan"])
    return StoredRun(**values, spend=spend, ceilings=ceilings)


def dump_json(value: Mapping[str, Any] | list[Any]) -> str:
    """Replace what Postgres stores in no JSON: texts of models and pages may hold it."""
    try:
        dumped = orjson.dumps(value, default=str)
    except orjson.JSONEncodeError:  # a lone surrogate
        dumped = orjson.dumps(_normalise(value), default=str)
    if b"\\u0000" in dumped:
        dumped = orjson.dumps(_normalise(orjson.loads(dumped)))
    return dumped.decode()


def load_json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _normalise(value: Any) -> Any:
    match value:
        case str():
            return normalise_text(value)
        case list() | tuple():
            return [_normalise(item) for item in cast("list[Any]", value)]
        case dict():
            items = cast("dict[Any, Any]", value).items()
            return {_normalise(key): _normalise(item) for key, item in items}
        case _:
            return value
