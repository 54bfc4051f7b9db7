"""Rows of dead letters as values of the use cases, and as an operator sees them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from asyncpg import Record

from msaas.contracts import LetterClass, LetterState
from msaas.jobs.adapters.postgres.rows import TOPIC_OF
from msaas.jobs.application.dead_letters_ports import (
    DeadLetterRow,
    JobDeadLetter,
    MessageDeadLetter,
    NewDeadLetter,
)
from msaas.jobs.domain.dead_letters_bodies import redact

_SUMMARY_COLUMNS: Final = (
    *("id", "class", "topic", "name", "error", "correlation_id", "died_at", "replay_count"),
    *("state", "resolved_at", "resolved_by", "reason", "replay_due_at"),
)
_JOB_COLUMNS: Final = (
    *("attempts", "max_attempts", "losses", "last_error", "source", "created_at", "started_at"),
    "user_id",
)


def entry_columns(entries: Sequence[NewDeadLetter]) -> Sequence[Sequence[Any]]:
    return list(zip(*map(_entry_row, entries), strict=True))


def _entry_row(entry: NewDeadLetter) -> tuple[Any, ...]:
    return (
        entry.id,
        entry.topic,
        entry.entry_id,
        orjson.dumps(entry.body).decode(),
        entry.letter_class,
        entry.error,
        entry.message_id,
        entry.message_type,
        entry.correlation_id,
    )


def read_message(row: Record) -> MessageDeadLetter:
    return MessageDeadLetter(
        id=row["id"],
        letter_class=LetterClass(row["class"]),
        topic=row["topic"],
        state=LetterState(row["state"]),
        replays=row["replay_count"],
        is_scheduled=row["is_scheduled"],
        body=_body(row),
    )


def read_job(row: Record) -> JobDeadLetter:
    return JobDeadLetter(
        id=row["id"],
        letter_class=LetterClass.JOB,
        topic=topic_of(row["task_type"]),
        state=LetterState.RESOLVED if row["resolved"] else LetterState.OPEN,
        replays=row["replays"],
        is_scheduled=row["is_scheduled"],
        user_id=row["user_id"],
        correlation_id=row["correlation_id"],
        has_failed=row["failed"],
    )


def topic_of(task_type: str) -> str:
    """Return the topic of a task type, also of one that is no longer in the catalogue."""
    return TOPIC_OF.get(task_type, "jobs.generic")


def read_summary(row: Record) -> DeadLetterRow:
    """Show the same fields of messages and jobs."""
    shown = {name: row[name] for name in _SUMMARY_COLUMNS}
    return {**shown, "topic": shown["topic"] or topic_of(row["name"])}


def read_message_detail(row: Record) -> DeadLetterRow:
    return {**read_summary(row), "body": redact(_body(row))}


def read_job_detail(row: Record) -> DeadLetterRow:
    return {**read_summary(row), "body": {name: row[name] for name in _JOB_COLUMNS}}


def _body(row: Record) -> Mapping[str, str]:
    return orjson.loads(row["body"])
