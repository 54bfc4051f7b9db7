"""A step of a run while it is open: what happens inside it is counted on it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Final
from uuid import UUID

from langgraph.errors import GraphBubbleUp

from msaas.agents.application.stores import StepStore
from msaas.agents.domain.effects import StepRecord
from msaas.agents.domain.errors import StaleRun
from msaas.agents.domain.models import ModelAnswer
from msaas.contracts import StepState
from msaas.kernel import MsaasError
from msaas.worker import RunCancelled, RunReleased

MAX_DETAIL: Final = 500
_current: ContextVar["OpenStep | None"] = ContextVar("open_step", default=None)


class OpenStep:
    def __init__(self, record: StepRecord) -> None:
        self._record = record

    def note(self, text: str) -> None:
        known = self._record.detail
        detail = f"{known}; {text}" if known else text
        self._record = replace(self._record, detail=detail[:MAX_DETAIL])

    def count(self, answer: ModelAnswer) -> None:
        usage = answer.usage
        self._record = replace(
            self._record,
            model_calls=self._record.model_calls + 1,
            tokens=self._record.tokens + usage.tokens_in + usage.tokens_out,
            cost_micro_usd=self._record.cost_micro_usd + answer.cost_micro_usd,
        )

    def link(self, *, child_job_id: UUID | None = None, approval_id: UUID | None = None) -> None:
        if child_job_id is not None:
            self._record = replace(self._record, child_job_id=child_job_id)
        if approval_id is not None:
            self._record = replace(self._record, approval_id=approval_id)

    def as_state(self, state: StepState) -> StepRecord:
        return replace(self._record, state=state)


def current_step() -> OpenStep | None:
    return _current.get()


@asynccontextmanager
async def open_step(
    steps: StepStore, run_id: UUID, fence: UUID, record: StepRecord
) -> AsyncGenerator[OpenStep]:
    """Store the step as it begins and as it ends; one that is begun anew keeps its place."""
    await steps.put(run_id, fence, record)
    step = OpenStep(record)
    token = _current.set(step)
    try:
        yield step
    except GraphBubbleUp:
        await steps.put(run_id, fence, step.as_state("waiting"))
        raise
    except (RunReleased, RunCancelled, StaleRun):
        raise
    except Exception as error:
        if isinstance(error, MsaasError):
            step.note(error.safe_message)
        with suppress(MsaasError):  # the error itself is the news
            await steps.put(run_id, fence, step.as_state("failed"))
        raise
    finally:
        _current.reset(token)
    await steps.put(run_id, fence, step.as_state("done"))
