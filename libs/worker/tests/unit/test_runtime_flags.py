"""A worker obeys the flags that the gateway publishes, and remembers their last states."""

from typing import Any

import pytest
from worker_support import OpenHarness

from msaas.contracts import feature_key
from msaas.flags import read_defaults
from msaas.kernel import DependencyUnavailable
from msaas.worker import RunContext
from msaas.worker.runtime_flags import RuntimeFlags

LINKS = "FF_BROWSER_TASK_EXTRACT_LINKS_ENABLED"
PDF = "FF_BROWSER_TASK_RENDER_PDF_ENABLED"


class FakeRedis:
    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.is_unavailable = False

    async def execute_command(self, *command: str | int | bytes) -> Any:
        if self.is_unavailable:
            raise DependencyUnavailable(target="redis")
        name, *keys = command
        assert name == "MGET"
        assert keys
        return [self.values.get(str(key)) for key in keys]

    def publish(self, name: str, state: bytes) -> None:
        self.values[feature_key("test", name, "global")] = state


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


def build_flags(redis: FakeRedis, **environ: str) -> RuntimeFlags:
    return RuntimeFlags(redis, "test", read_defaults(environ), [LINKS, PDF])


async def test_the_environment_decides_until_a_state_is_published(redis: FakeRedis) -> None:
    flags = build_flags(redis, **{PDF: "false"})
    assert (flags.find_disabled([LINKS]), flags.find_disabled([LINKS, PDF])) == (None, PDF)
    await flags.refresh()
    assert flags.find_disabled([LINKS, PDF]) == PDF
    redis.publish(PDF, b"on")
    redis.publish(LINKS, b"default")
    await flags.refresh()
    assert flags.find_disabled([LINKS, PDF]) is None


async def test_a_flag_can_be_switched_off_and_back(redis: FakeRedis) -> None:
    flags = build_flags(redis)
    for state, disabled in ((b"off", LINKS), (b"default", None), (b"off", LINKS), (b"on", None)):
        redis.publish(LINKS, state)
        await flags.refresh()
        assert flags.find_disabled([PDF, LINKS]) == disabled


async def test_an_outage_or_a_flush_of_redis_switches_nothing_back_on(redis: FakeRedis) -> None:
    flags = build_flags(redis)
    redis.publish(LINKS, b"off")
    await flags.refresh()
    redis.is_unavailable = True
    with pytest.raises(DependencyUnavailable):
        await flags.refresh()
    assert flags.find_disabled([LINKS]) == LINKS
    redis.is_unavailable = False
    redis.values.clear()
    await flags.refresh()
    assert flags.find_disabled([LINKS]) == LINKS


async def test_a_worker_without_flags_reads_nothing(redis: FakeRedis) -> None:
    redis.is_unavailable = True
    flags = RuntimeFlags(redis, "test", read_defaults({}), [])
    await flags.refresh()
    assert flags.find_disabled([]) is None


async def test_a_job_of_a_disabled_task_fails_without_being_started(
    open_harness: OpenHarness,
) -> None:
    async def answer(_run: RunContext) -> dict[str, Any]:
        return {"url": "http://a.test/", "final_url": "http://a.test/", "text": ""}

    harness = open_harness(answer, "navigate_and_extract_text")
    fields: dict[str, Any] = {
        "task_type": "navigate_and_extract_text",
        "payload": {"url": "http://a.test/"},
    }
    assert (await harness.run(harness.deliver(**fields))).type_name() == "JobSucceeded"
    harness.flags.are_disabled = True
    outcome = await harness.run(harness.deliver(**fields))
    assert (outcome.failure_reason, outcome.retryable) == ("feature_flag_disabled", False)
    assert await harness.list_published_types() == ["JobStarted"]
