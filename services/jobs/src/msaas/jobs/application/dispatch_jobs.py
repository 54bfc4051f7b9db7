"""One tick of dispatch: pick fairly, commit, and only then put the envelopes on the wire."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msaas.contracts import JobEnvelope, JobMeta, get_task
from msaas.jobs.application.open_secrets import open_secrets
from msaas.jobs.application.ports import Dispatch, DispatchRecord, Tick, UploadLinks, Workers
from msaas.sealing import Opener, SealBroken, SealUnreadable
from msaas.telemetry import Metrics, current_traceparent, get_logger, span

_WAITS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)


class DispatchJobs:
    def __init__(
        self,
        record: DispatchRecord,
        workers: Workers,
        opener: Opener,
        metrics: Metrics,
        *,
        links: UploadLinks | None = None,
    ) -> None:
        self._record = record
        self._workers = workers
        self._opener = opener
        self._links = links
        self._log = get_logger()
        self._waited = metrics.histogram(
            "msaas_job_queue_wait_seconds", "From due to dispatched.", ("task_type",), _WAITS
        )
        self._let_go = metrics.counter(
            "msaas_envelopes_let_go_total", "Envelopes for which the wire had no room."
        )

    async def __call__(self) -> Tick:
        """Pick nothing while the wire is away: it would hold slots and go nowhere."""
        await self._workers.ping()
        tick = await self._record.pick()
        if tick.picked:
            await self._deliver(tick.picked)
        return tick

    async def _deliver(self, picked: Sequence[Dispatch]) -> None:
        """Leave what does not get through to the sweeper, which finds no entry and picks it again.

        To undo the pick instead would be to pick the same jobs at every tick of a full topic, each
        time with another attempt; the slots that they hold until the sweep are the pause.
        """
        for one in picked:
            wait = (one.dispatched_at - one.run_at).total_seconds()
            self._waited.labels(one.task_type).observe(max(0.0, wait))
        answers = await asyncio.gather(*map(self._send, picked), return_exceptions=True)
        sent = [
            (one, answer)
            for one, answer in zip(picked, answers, strict=True)
            if answer and isinstance(answer, str)
        ]
        if sent:
            await self._note(sent)
        if let_go := answers.count(None):
            self._let_go.inc(let_go)
            self._log.warning("envelopes_let_go", count=let_go)
        for failure in answers:
            if isinstance(failure, BaseException):
                raise failure

    async def _send(self, one: Dispatch) -> str | None:
        with span("jobs.dispatch", traceparent=one.traceparent, task_type=one.task_type):
            traceparent = current_traceparent() or one.traceparent
            try:
                payload = open_secrets(self._opener, one)
            except (SealBroken, SealUnreadable) as error:
                self._log.error("seal_not_opened", job_id=str(one.job_id), **error.context)
                await self._workers.give_up(one, error.safe_message)
                return ""
            envelope = _build_envelope(one, payload, await self._sign_uploads(one))
            return await self._workers.send(_topic_of(one), envelope, traceparent)

    async def _sign_uploads(self, one: Dispatch) -> Mapping[str, str]:
        """Sign for as long as the envelope lives."""
        task = get_task(one.task_type)
        if self._links is None or not task.uploads:
            return {}
        seconds = task.valid_for.total_seconds()
        return await self._links.sign_uploads(one.job_id, one.fence, task.uploads, seconds)

    async def _note(self, sent: Sequence[tuple[Dispatch, str]]) -> None:
        """Keep the entries' ids; take back what was cancelled or picked anew in the meantime."""
        standing = await self._record.record_entries(
            [(one.job_id, one.fence, entry_id) for one, entry_id in sent]
        )
        outdated: dict[str, list[str]] = defaultdict(list)
        for one, entry_id in sent:
            if one.job_id not in standing:
                outdated[_topic_of(one)].append(entry_id)
        for topic, entry_ids in outdated.items():
            await self._workers.withdraw(topic, entry_ids)


def _topic_of(one: Dispatch) -> str:
    return get_task(one.task_type).topic


def _build_envelope(
    one: Dispatch, payload: dict[str, Any], uploads: Mapping[str, str]
) -> JobEnvelope:
    return JobEnvelope(
        job_id=one.job_id,
        task_type=one.task_type,
        attempts=one.attempts,
        max_attempts=one.max_attempts,
        fence=one.fence,
        payload=payload,
        meta=JobMeta(
            correlation_id=one.correlation_id,
            user_id=one.user_id,
            enqueue_ts=one.created_at,
            source=one.source,
            plan=one.plan,
            deadline_ts=one.deadline_at,
            valid_until=one.dispatched_at + get_task(one.task_type).valid_for,
            parent_job_id=one.parent_job_id,
            uploads=dict(uploads),
        ),
    )
