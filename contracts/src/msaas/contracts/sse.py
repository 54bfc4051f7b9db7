"""The frames of the dashboard's event stream, as bytes that connections share."""

import re
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from msaas.contracts.agents import RunFrame, RunToken, StepFrame
from msaas.contracts.jobs import JobFrame, Progress
from msaas.contracts.message import Message, OnFull, ValueObject
from msaas.contracts.plans import Plan

HEARTBEAT = b": beat\n\n"
_CURSOR = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")

Amount = Annotated[int, Field(ge=0, le=2**63 - 1)]


class AccountFrame(ValueObject):
    """A user's plan and the usage of its period; `jobs_limit` None means no limit."""

    plan: Plan
    jobs_limit: Amount | None
    jobs_used: Amount
    jobs_reserved: Amount
    period_start: AwareDatetime
    period_end: AwareDatetime


class HelloFrame(ValueObject):
    cursor: str


class ProgressFrame(Progress):
    id: UUID


class TokenFrame(ValueObject):
    """Text of an answer from character `offset` on; `call` is the model call that writes it."""

    call: str
    offset: int
    text: str


def is_cursor(text: str) -> bool:
    """Whether a client's Last-Event-ID is a valid position in the stream."""
    return _CURSOR.fullmatch(text) is not None


def hello_frame(cursor: str, retry_ms: int) -> bytes:
    """Open the stream; the browser takes the cursor as its Last-Event-ID."""
    return retry_frame(retry_ms) + _frame("hello", HelloFrame(cursor=cursor), cursor)


def job_frame(cursor: str, frame: JobFrame) -> bytes:
    return _frame("job", frame, cursor)


def row_frame(cursor: str, row: bytes) -> bytes:
    """Show the whole row of a job, which is JSON, to a client that asked for rows."""
    return _encode("row", row, cursor)


def progress_frame(cursor: str, job_id: UUID, progress: Progress) -> bytes:
    shown = ProgressFrame(id=job_id, percent=progress.percent, message=progress.message)
    return _frame("progress", shown, cursor)


def account_frame(cursor: str, account: AccountFrame) -> bytes:
    return _frame("account", account, cursor)


def run_frame(cursor: str, run: RunFrame, *, has_finished: bool = False) -> bytes:
    return _frame("finished" if has_finished else "run", run, cursor)


def step_frame(cursor: str, step: StepFrame) -> bytes:
    return _frame("step", step, cursor)


def token_frame(cursor: str, token: RunToken) -> bytes:
    shown = TokenFrame(call=token.call, offset=token.offset, text=token.text)
    return _frame("token", shown, cursor)


def resync_frame(cursor: str) -> bytes:
    """Tell a client that fell behind to reload the list and continue from the cursor."""
    return _frame("resync", HelloFrame(cursor=cursor), cursor)


def retry_frame(retry_ms: int) -> bytes:
    return b"retry: %d\n\n" % retry_ms


def _frame(event: str, data: ValueObject, cursor: str) -> bytes:
    return _encode(event, data.__pydantic_serializer__.to_json(data), cursor)


def _encode(event: str, body: bytes, cursor: str) -> bytes:
    if not is_cursor(cursor):
        raise ValueError("a cursor must be the id of a stream entry")
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), event.encode(), body)


class AccountChanged(Message, on_full=OnFull.SKIP):
    """A versioned snapshot of plan and quota, published when a plan is applied."""

    user_id: UUID
    version: Annotated[int, Field(ge=1, le=2**63 - 1)]
    account: AccountFrame
