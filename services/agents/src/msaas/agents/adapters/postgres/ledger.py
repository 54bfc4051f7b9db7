"""The memo of model calls and their money: the tables' constraints are the ceilings."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

import asyncpg

from msaas.agents.adapters.postgres.frames import put_run_frame
from msaas.agents.adapters.postgres.rows import (
    LOCK_TIMEOUT,
    RUN_COLUMNS,
    dump_json,
    load_json,
    lock_run,
    read_run,
)
from msaas.agents.domain.ceilings import DAY_COST_MICRO_USD, CeilingName
from msaas.agents.domain.effects import CallBound, Reservation
from msaas.agents.domain.errors import CeilingReached, StaleRun
from msaas.agents.domain.models import ModelAnswer, TokenUsage
from msaas.postgres import Database, DatabaseConnection
from msaas.telemetry import get_logger

CEILINGS: Final[Mapping[str | None, CeilingName]] = {
    "runs_within_steps": "steps",
    "runs_within_tokens": "tokens",
    "runs_within_cost": "cost",
    "spend_days_within_cost": "cost_of_the_day",
}

_FIND: Final = """
SELECT state, answer::text AS answer, attempt FROM agents.llm_calls
WHERE run_id = $1 AND call_key = $2 ORDER BY attempt DESC LIMIT 1
"""
_RESERVE: Final = """
WITH run AS (
  UPDATE agents.runs SET
    tokens_reserved = tokens_reserved + $5, cost_reserved_micro_usd = cost_reserved_micro_usd + $6
  WHERE id = $1 RETURNING id, user_id, (clock_timestamp() AT TIME ZONE 'UTC')::date AS today
), day AS (
  INSERT INTO agents.spend_days AS d (user_id, day, max_cost_micro_usd, cost_reserved_micro_usd)
  SELECT user_id, today, $7, $6 FROM run
  ON CONFLICT (user_id, day) DO UPDATE SET
    max_cost_micro_usd = excluded.max_cost_micro_usd,
    cost_reserved_micro_usd = d.cost_reserved_micro_usd + excluded.cost_reserved_micro_usd
)
INSERT INTO agents.llm_calls (
  run_id, call_key, attempt, user_id, purpose, day, tokens_reserved, cost_reserved_micro_usd
)
SELECT id, $2, $3, user_id, $4, today, $5, $6 FROM run
"""
# What a provider claims beyond the reservation is not counted: it was bounded before the call.
_END: Final = f"""
WITH call AS (
  UPDATE agents.llm_calls SET
    state = $3, tokens_in = least($4, tokens_reserved),
    tokens_out = least($5, tokens_reserved - least($4, tokens_reserved)),
    cost_micro_usd = least($6, cost_reserved_micro_usd), provider = $7, model = $8,
    answer = $9::jsonb, ended_at = clock_timestamp()
  WHERE run_id = $1 AND call_key = $2 AND state = 'reserved'
  RETURNING run_id AS of_run, user_id AS payer, day AS paid_on, tokens_in AS used_in,
    tokens_out AS used_out, tokens_reserved AS held, cost_micro_usd AS cost,
    cost_reserved_micro_usd AS cost_held
), day AS (
  UPDATE agents.spend_days d SET
    cost_micro_usd = d.cost_micro_usd + c.cost,
    cost_reserved_micro_usd = d.cost_reserved_micro_usd - c.cost_held
  FROM call c WHERE d.user_id = c.payer AND d.day = c.paid_on
)
UPDATE agents.runs SET
  tokens_in = tokens_in + c.used_in, tokens_out = tokens_out + c.used_out,
  tokens_reserved = tokens_reserved - c.held, cost_micro_usd = cost_micro_usd + c.cost,
  cost_reserved_micro_usd = cost_reserved_micro_usd - c.cost_held, model_calls = model_calls + 1
FROM call c WHERE id = c.of_run
RETURNING c.used_in + c.used_out AS used, c.cost, {RUN_COLUMNS}
"""  # noqa: S608  # fixed names
LOSE: Final = """
WITH call AS (
  UPDATE agents.llm_calls SET
    state = 'lost', cost_micro_usd = cost_reserved_micro_usd, ended_at = clock_timestamp()
  WHERE run_id = $1 AND call_key = coalesce($2, call_key) AND state = 'reserved'
  RETURNING user_id, day, tokens_reserved, cost_reserved_micro_usd
), days AS (
  SELECT user_id, day, sum(cost_reserved_micro_usd)::bigint AS cost FROM call GROUP BY user_id, day
), day AS (
  UPDATE agents.spend_days d SET
    cost_micro_usd = d.cost_micro_usd + c.cost,
    cost_reserved_micro_usd = d.cost_reserved_micro_usd - c.cost
  FROM days c WHERE d.user_id = c.user_id AND d.day = c.day
)
UPDATE agents.runs r SET
  tokens_lost = r.tokens_lost + c.tokens, tokens_reserved = r.tokens_reserved - c.tokens,
  cost_micro_usd = r.cost_micro_usd + c.cost,
  cost_reserved_micro_usd = r.cost_reserved_micro_usd - c.cost,
  repeated_calls = r.repeated_calls + $3
FROM (
  SELECT sum(tokens_reserved)::bigint AS tokens, sum(cost_reserved_micro_usd)::bigint AS cost
  FROM call
) c
WHERE r.id = $1 AND c.tokens IS NOT NULL
"""


class PostgresLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self, run_id: UUID, fence: UUID, call_key: str, bound: CallBound
    ) -> ModelAnswer | Reservation:
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            run = await lock_run(connection, run_id, fence)
            found = await connection.fetchrow(_FIND, run_id, call_key)
            state, attempt = (found["state"], found["attempt"]) if found else (None, 0)
            if found and state == "answered":
                return _read_answer(found["answer"])
            if state == "reserved":
                await connection.execute(LOSE, run_id, call_key, 1)
            if run.is_late:
                raise CeilingReached("seconds")
            values = (call_key, attempt + 1, bound.purpose, bound.tokens, bound.cost_micro_usd)
            with reached_ceilings():
                await connection.execute(_RESERVE, run_id, *values, DAY_COST_MICRO_USD[run.plan])
        return Reservation(
            call_key=call_key,
            attempt=attempt + 1,
            tokens=bound.tokens,
            cost_micro_usd=bound.cost_micro_usd,
            is_repeat=state == "reserved",
        )

    async def settle(self, run_id: UUID, fence: UUID, call_key: str, answer: ModelAnswer) -> None:
        end = (
            "answered",
            answer.usage.tokens_in,
            answer.usage.tokens_out,
            answer.cost_micro_usd,
            answer.provider,
            answer.model,
            dump_json(asdict(answer)),
        )
        await self._end(run_id, fence, call_key, end)

    async def fail(
        self, run_id: UUID, fence: UUID, call_key: str, usage: TokenUsage, cost: int
    ) -> None:
        end = ("failed", usage.tokens_in, usage.tokens_out, cost, None, None, None)
        await self._end(run_id, fence, call_key, end)

    async def _end(self, run_id: UUID, fence: UUID, call_key: str, end: tuple[Any, ...]) -> None:
        _, tokens_in, tokens_out, cost, *_ = end
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            await lock_run(connection, run_id, fence)
            row = await connection.fetchrow(_END, run_id, call_key, *end)
            if row is None:
                await _check_repeat(connection, run_id, call_key)
                return
            values = dict(row)
            used, counted = values.pop("used"), values.pop("cost")
            await put_run_frame(connection, read_run(values))
        if used < tokens_in + tokens_out or counted < cost:
            get_logger().warning("model_usage_clamped", run_id=str(run_id), call_key=call_key)


async def _check_repeat(connection: DatabaseConnection, run_id: UUID, call_key: str) -> None:
    """Accept that a call is ended again: its commit may have succeeded without an answer."""
    found = await connection.fetchrow(_FIND, run_id, call_key)
    if found is None or found["state"] not in {"answered", "failed"}:
        raise StaleRun


@contextmanager
def reached_ceilings() -> Generator[None]:
    """Raise CeilingReached where a constraint of a ceiling refuses a change."""
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if ceiling := CEILINGS.get(error.constraint_name):
            raise CeilingReached(ceiling) from None
        raise


def _read_answer(text: str) -> ModelAnswer:
    values = load_json(text)
    return ModelAnswer(**values | {"usage": TokenUsage(**values["usage"])})
