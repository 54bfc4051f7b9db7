"""The topic jobs.commands: parse, settle, answer, announce."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import cast
from uuid import UUID

from msaas.contracts import CancelRequested, PauseTask, PushedJob, ResumeTask, SubmitJobs
from msaas.jobs.application.book import Accepted, Command, Order
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.application.settle_commands import SettleCommands, Settled
from msaas.kernel import MsaasError, RetryPolicy
from msaas.messaging import Delivery, Outgoing
from msaas.postgres import Contended
from msaas.telemetry import get_logger, is_sampled, span

TOPIC = "jobs.commands"
# Each try waits for its locks as long as a lock may be waited for.
ALONE = RetryPolicy(base=0.05, cap=0.1, attempts=3)


class CommandsHandler:
    def __init__(self, settle: SettleCommands, set_pauses: SetPauses) -> None:
        self._settle = settle
        self._set_pauses = set_pauses
        self._log = get_logger()

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[Outgoing]:
        """Users' commands are one transaction; an operator's come before them, and are few."""
        operators = [one for one in batch if isinstance(one.message, PauseTask | ResumeTask)]
        if not operators:
            return await self._handle(batch)
        await self._set_pauses([cast("PauseTask | ResumeTask", one.message) for one in operators])
        answers = [answer for one in operators for answer in one.accept()]
        users = [one for one in batch if one not in operators]
        return [*answers, *(await self._handle(users) if users else ())]

    async def _handle(self, batch: Sequence[Delivery]) -> Sequence[Outgoing]:
        try:
            with _enqueueing(batch):
                settled = await self._settle_patiently([_order(delivery) for delivery in batch])
        except Contended as refusal:
            if len(batch) > 1 or batch[0].entry.reply_to is None:
                raise  # the runner splits the batch and goes on with its halves
            return batch[0].refuse(refusal)
        return list(self._outgoing(batch, settled))

    async def _settle_patiently(self, orders: Sequence[Order]) -> Settled:
        """Give one that stands alone another chance before its sender is bothered with it."""
        if len(orders) > 1:
            return await self._settle(orders)
        return await ALONE.run(lambda: self._settle(orders), on=(Contended,))

    def _outgoing(self, batch: Sequence[Delivery], settled: Settled) -> Iterator[Outgoing]:
        for delivery, verdict in zip(batch, settled.verdicts, strict=True):
            yield from self._answer(delivery, verdict)
        traces = {
            job_id: one.entry.traceparent for one in batch for job_id in _jobs_of(_order(one))
        }
        for snapshot in settled.snapshots:
            yield snapshot.changed(traces.get(snapshot.id))

    def _answer(self, delivery: Delivery, verdict: Accepted | MsaasError) -> Iterator[Outgoing]:
        order = _order(delivery)
        log = self._log.bind(
            correlation_id=order.correlation_id,
            command=delivery.message.type_name(),
            **_described(order),
            user_id=str(order.command.user_id),
        )
        if isinstance(verdict, MsaasError):
            if isinstance(order.command, PushedJob):
                raise verdict  # nobody waits for an answer: by itself it becomes a dead letter
            log.info("command_refused", code=verdict.code)
            yield from delivery.refuse(verdict)
            return
        log.info("command_accepted", status=verdict.answer.get("status"))
        yield from delivery.accept(**verdict.answer)
        for job_id in verdict.stop:
            yield delivery.emit("jobs.control", CancelRequested(job_id=job_id))


def _order(delivery: Delivery) -> Order:
    message = delivery.message
    if not isinstance(message, Command):
        raise TypeError(f"{TOPIC} does not carry {message.type_name()}")
    return Order(
        command=message,
        correlation_id=_correlation_of(delivery),
        traceparent=delivery.entry.traceparent,
    )


def _correlation_of(delivery: Delivery) -> str:
    """Prefer what a pushed job carries inside: a list has no room for headers."""
    pushed = delivery.message
    own = pushed.meta.correlation_id if isinstance(pushed, PushedJob) else None
    return own or delivery.entry.correlation_id


def _described(order: Order) -> dict[str, object]:
    jobs = _jobs_of(order)
    return {"job_id": str(jobs[0])} if len(jobs) == 1 else {"jobs": len(jobs)}


def _jobs_of(order: Order) -> Sequence[UUID]:
    match order.command:
        case SubmitJobs() as command:
            return [one.job_id for one in command.jobs]
        case command:
            return [command.job_id]


def _enqueueing(batch: Sequence[Delivery]) -> AbstractContextManager[object]:
    """Measure a batch in which somebody's trace is kept; the others come along as links."""
    traces = [one.entry.traceparent for one in batch if is_sampled(one.entry.traceparent)]
    if not traces:
        return nullcontext()
    links = [trace for trace in traces[1:] if trace]
    return span("jobs.enqueue", traceparent=traces[0], links=links, commands=len(batch))
