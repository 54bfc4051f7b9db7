"""Everything that messaging does is done under the Redis users that the registry grants."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from msaas.contracts import (
    ACL_USERS,
    JobChanged,
    JobEnvelope,
    JobFrame,
    JobLost,
    JobStatus,
    JobSucceeded,
    LossReason,
    SubmitJob,
    Topic,
    UsageRecorded,
    get_topic,
    render_acl,
)
from msaas.embedded import RedisServer
from msaas.messaging import (
    BrokerUnavailable,
    Delivery,
    Messenger,
    OutgoingMessage,
    RedisBroker,
)
from msaas.streams import StreamConsumer, Write
from msaas.telemetry import Metrics
from msaas.testing import (
    build_job_envelope,
    build_job_succeeded,
    build_submit_job,
    build_usage_recorded,
    wait_until,
)
from msaas.worker import AbandonReason, WorkConsumer

OpenMessenger = Callable[..., Messenger]
Start = Callable[..., None]
ADMIN = "user admin on nopass ~* &* +@all\n"


class Fleet:
    """A gateway, `jobs`, its worker and `billing`, each logged in as itself."""

    def __init__(self, open_messenger: OpenMessenger, url_for: Callable[[str], str]) -> None:
        def open_(process: str) -> Messenger:
            metrics = self.metrics[process] = Metrics(process, "test")
            return open_messenger(process, url=url_for(process), metrics=metrics)

        self.metrics: dict[str, Metrics] = {}
        self.gateway = open_("gateway")
        self.jobs = open_("jobs")
        self.worker = open_("jobs-worker")
        self.billing = open_("billing")
        self.messengers = (self.gateway, self.jobs, self.worker, self.billing)
        self.calls = self.gateway.create_command_client()
        self.epochs: list[str] = []
        self.seen: list[UUID] = []
        self.billed: list[UUID] = []
        self.lost: list[LossReason] = []
        self.controls = self.worker.tail_log(["jobs.control"], self._on_entries, self._resync)
        self.events = self.gateway.tail_log(["jobs.events"], self._on_entries, self._resync)
        self.jobs.on_epoch(self._on_epoch)
        self.jobs.consume_batches("jobs.commands", self._submit)
        self.jobs.consume_batches("jobs.results", self._finish)
        self.worker.add_consumer(
            WorkConsumer(self.worker.context, "jobs.generic", self, concurrency=2)
        )
        self.billing.consume_batches("usage.events", self._bill)

    async def run(self, delivery: Delivery) -> list[OutgoingMessage]:
        assert isinstance(delivery.message, JobEnvelope)
        return [delivery.emit("jobs.results", build_job_succeeded(delivery.message))]

    def on_abandoned(
        self, delivery: Delivery, reason: AbandonReason, error: Exception | None = None
    ) -> list[OutgoingMessage]:
        assert isinstance(delivery.message, JobEnvelope)
        job_id, fence = delivery.message.job_id, delivery.message.fence
        lost = JobLost(job_id=job_id, fence=fence, reason=LossReason(reason))
        return [delivery.emit("jobs.results", lost)]

    async def _submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        return [
            outgoing
            for delivery in batch
            if isinstance(delivery.message, SubmitJob)
            for outgoing in (
                delivery.emit("jobs.generic", build_job_envelope(job_id=delivery.message.job_id)),
                *delivery.reply_success(),
            )
        ]

    async def _finish(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        self.lost += [d.message.reason for d in batch if isinstance(d.message, JobLost)]
        return [
            outgoing
            for delivery in batch
            if isinstance(delivery.message, JobSucceeded)
            for outgoing in (
                delivery.emit("jobs.events", completed(delivery.message.job_id)),
                delivery.emit("usage.events", build_usage_recorded(job_id=delivery.message.job_id)),
            )
        ]

    async def _bill(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        self.billed += [d.message.job_id for d in batch if isinstance(d.message, UsageRecorded)]
        return []

    async def _on_entries(self, _: Topic, batch: Sequence[Delivery]) -> None:
        self.seen += [d.message.frame.id for d in batch if isinstance(d.message, JobChanged)]

    async def _resync(self) -> None:
        """Read the database again."""

    async def _on_epoch(self, epoch: str) -> None:
        self.epochs.append(epoch)


def completed(job_id: UUID) -> JobChanged:
    frame = {
        "id": job_id,
        "status": JobStatus.COMPLETED,
        "attempts": 1,
        "updated_at": "2026-01-01T00:00:00Z",
    }
    return JobChanged(
        frame=JobFrame.model_validate(frame, strict=False),
        user_id=uuid4(),
        task_type="echo",
        version=1,
        correlation_id="test",
    )


@pytest.fixture
def url_for(
    private_redis: Callable[..., RedisServer], environment: str, tmp_path: Path
) -> Callable[[str], str]:
    """Return the address at which a process logs in as itself."""
    hashes = {user: hashlib.sha256(f"of-{user}".encode()).hexdigest() for user in ACL_USERS}
    (tmp_path / "users.acl").write_text(render_acl(environment, hashes) + ADMIN)
    server = private_redis(aof=False, config={"aclfile": str(tmp_path / "users.acl")})
    return lambda user: f"redis://{user}:of-{user}@127.0.0.1:{server.port}/0"


@pytest.fixture
def admin(url_for: Callable[[str], str], open_client: Callable[..., Any]) -> Any:
    return open_client(url_for("admin"))


@pytest_asyncio.fixture
async def fleet(
    open_messenger: OpenMessenger, url_for: Callable[[str], str], start: Start, admin: Any
) -> Fleet:
    made = Fleet(open_messenger, url_for)
    start(*made.messengers)
    await wait_until(lambda: made.events.positions and made.controls.positions)
    return made


def shows_all_gauges(metrics: Metrics, topic: str) -> bool:
    rendered = metrics.render().decode()
    return all(
        f"msaas_topic_{gauge}{{" in rendered and f'topic="{topic}"' in rendered
        for gauge in ("depth", "lag", "pending", "oldest_pending_seconds", "dlq_depth")
    )


async def test_the_grants_suffice_for_a_whole_job(fleet: Fleet, admin: Any) -> None:
    job = build_submit_job()
    reply = await fleet.calls.call("jobs.commands", job, ttl=5, correlation_id="test")
    assert reply.ok
    await wait_until(lambda: fleet.seen == [job.job_id] and fleet.billed == [job.job_id])
    for process, topic in [
        ("jobs", "jobs.commands"),
        ("jobs", "jobs.results"),
        ("jobs-worker", "jobs.generic"),
        ("billing", "usage.events"),
    ]:
        await wait_until(lambda p=process, t=topic: shows_all_gauges(fleet.metrics[p], t))
    await wait_until(lambda: fleet.epochs)
    assert await admin.acl_log() == []


async def test_faults_are_dealt_with_under_the_same_rights(
    fleet: Fleet,
    admin: Any,
    environment: str,
    url_for: Callable[[str], str],
    open_broker: Callable[..., RedisBroker],
    open_messenger: OpenMessenger,
    start: Start,
) -> None:
    """A flush, an unreadable entry, an abandoned run and a drain."""
    generic = get_topic("jobs.generic")
    key = generic.key(environment)
    await admin.flushall()
    await wait_until(lambda: len(fleet.epochs) == 2)

    admins = open_broker(url_for("admin"))
    await admins.commit([Write(key, {b"not": b"readable"})])
    await wait_until(lambda: admins.depth(generic.poison_key(environment, "jobs-worker")))

    dead = StreamConsumer(key, generic.group("jobs-worker"), "jobs-worker-that-died")
    await admins.ensure_group(dead)
    fleet.worker.drain()
    await wait_until(lambda: is_gone(admin, dead))
    await fleet.jobs.publisher.publish("jobs.generic", build_job_envelope(), correlation_id="test")
    assert len(await admins.read(dead, 1, 0)) == 1
    peer = open_messenger("jobs-worker", url=url_for("jobs-worker"))
    peer.add_consumer(WorkConsumer(peer.context, "jobs.generic", fleet, concurrency=1))
    start(peer)
    await wait_until(lambda: fleet.lost == [LossReason.RECLAIMED])
    assert await admin.acl_log() == []


async def is_gone(admin: Any, key: StreamConsumer) -> bool:
    """Return whether every consumer has left the group."""
    return await admin.xinfo_consumers(key.key, key.group) == []


async def test_a_process_that_acts_as_another_gets_nowhere(
    url_for: Callable[[str], str],
    admin: Any,
    environment: str,
    open_broker: Callable[..., RedisBroker],
) -> None:
    worker = open_broker(url_for("jobs-worker"))
    forged = Write(get_topic("jobs.generic").key(environment), {b"forged": b"input"})
    with pytest.raises(BrokerUnavailable):
        await worker.commit([forged])
    [denied] = await admin.acl_log()
    assert (denied["username"], denied["object"]) == ("jobs-worker", forged.key)
