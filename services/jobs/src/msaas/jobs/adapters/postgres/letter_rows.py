"""Rows of dead letters as what the use cases work with, and as what an operator is shown."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from asyncpg import Record

from msaas.contracts import TASKS, LetterClass, LetterState
from msaas.jobs.application.letters_ports import DeadEntry, JobLetter, MessageLetter, Row
from msaas.jobs.domain.letter_bodies import show

_FACE: Final = (
    *("id", "class", "topic", "name", "error", "correlation_id", "died_at", "replay_count"),
    *("state", "resolved_at", "resolved_by", "reason", "replay_due_at"),
)
_JOB: Final = (
    *("attempts", "max_attempts", "losses", "last_error", "source", "created_at", "started_at"),
    "user_id",
)


def entry_columns(entries: Sequence[DeadEntry]) -> Sequence[Sequence[Any]]:
    return list(zip(*map(_entry_row, entries), strict=True))


def _entry_row(entry: DeadEntry) -> tuple[Any, ...]:
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


def read_message(row: Record) -> MessageLetter:
    return MessageLetter(
        id=row["id"],
        letter_class=LetterClass(row["class"]),
        topic=row["topic"],
        state=LetterState(row["state"]),
        replays=row["replay_count"],
        is_wanted=row["wanted"],
        body=_body(row),
    )


def read_job(row: Record) -> JobLetter:
    return JobLetter(
        id=row["id"],
        letter_class=LetterClass.JOB,
        topic=topic_of(row["task_type"]),
        state=LetterState.RESOLVED if row["resolved"] else LetterState.OPEN,
        replays=row["replays"],
        is_wanted=row["wanted"],
        user_id=row["user_id"],
        correlation_id=row["correlation_id"],
        has_failed=row["failed"],
    )


def topic_of(task_type: str) -> str:
    """Name the topic of a task, also of one that the catalogue has no more."""
    task = TASKS.get(task_type)
    return task.topic if task else "jobs.generic"


def face(row: Record) -> Row:
    """Show the same of either kind of letter."""
    shown = {name: row[name] for name in _FACE}
    return {**shown, "topic": shown["topic"] or topic_of(row["name"])}


def face_of_message(row: Record) -> Row:
    return {**face(row), "body": show(_body(row))}


def face_of_job(row: Record) -> Row:
    return {**face(row), "body": {name: row[name] for name in _JOB}}


def _body(row: Record) -> Mapping[str, str]:
    return orjson.loads(row["body"])
