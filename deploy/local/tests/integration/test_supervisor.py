"""Parts start in order, come back when they die, and stop after those that need them."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from msaas.embedded import MissingProgram, ServerNotStarted, die_with_parent_command
from msaas.kernel import RetryPolicy
from msaas.local import Part
from msaas.local.supervisor import Supervisor
from msaas.testing import wait_until

_PROGRAM = """
import pathlib, signal, sys, time
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def end(*_):
    print(name, "ends", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print(name, "begins", flush=True)
(folder / name).touch()
time.sleep(120)
"""
_WAIT = "time.sleep(120)"
_IGNORES_SIGTERM = _PROGRAM.replace("sys.exit()", "pass").replace(
    _WAIT, "while True: time.sleep(9)"
)
# Ends when the other one is ending too.
_WAITS_FOR_PEERS = _PROGRAM.replace(
    "    sys.exit()",
    """    (folder / f"{name} leaves").touch()
    while len(list(folder.glob("* leaves"))) < 2: time.sleep(0.01)
    print(name, "is gone", flush=True)
    sys.exit()""",
)
_BACKOFF = RetryPolicy(base=0.01, cap=0.02, attempts=None)


class SupervisorRecorder:
    """A folder in which parts report that they are ready, and the recorded callbacks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.events: list[str] = []

    def part(self, name: str, *depends_on: str, program: str = _PROGRAM, **options: Any) -> Part:
        command = [sys.executable, "-c", program, name, str(self.folder)]
        return Part(
            name=name,
            command=lambda: die_with_parent_command(command, Part.stop_signal),
            environment=dict,
            is_ready=lambda _: (self.folder / name).exists(),
            depends_on=depends_on,
            **options,
        )

    @asynccontextmanager
    async def running(self, *parts: Part) -> AsyncGenerator[Supervisor]:
        supervisor = Supervisor(
            parts,
            on_line=lambda name, line: self.lines.append(line.decode()),
            on_event=self.events.append,
            on_change=lambda: None,
            backoff=_BACKOFF,
        )
        try:
            await supervisor.start()
            yield supervisor
        finally:
            await supervisor.stop()


@pytest.fixture
def recorder(tmp_path: Path) -> SupervisorRecorder:
    return SupervisorRecorder(tmp_path)


def _pid(supervisor: Supervisor, index: int = 0) -> int:
    process = supervisor.states[index].process
    assert process
    return process.pid


async def test_parts_start_in_order_and_stop_in_reverse(recorder: SupervisorRecorder) -> None:
    parts = [recorder.part("web", "jobs"), recorder.part("jobs", "db"), recorder.part("db")]
    async with recorder.running(*parts) as supervisor:
        assert [state.name for state in supervisor.states] == ["db", "jobs", "web"]
        assert all(state.ready for state in supervisor.states)
    assert recorder.lines == [
        *["db begins", "jobs begins", "web begins"],
        *["web ends", "jobs ends", "db ends"],
    ]


async def test_independent_parts_stop_in_parallel(
    recorder: SupervisorRecorder,
) -> None:
    parts = [recorder.part(name, "db", program=_WAITS_FOR_PEERS) for name in ("web", "jobs")]
    async with recorder.running(*parts, recorder.part("db")):
        recorder.lines.clear()
    assert set(recorder.lines[:-1]) == {"web ends", "jobs ends", "web is gone", "jobs is gone"}
    assert recorder.lines[-1] == "db ends"


async def test_a_part_that_exits_is_restarted_and_its_dependants_continue(
    recorder: SupervisorRecorder,
) -> None:
    async with recorder.running(recorder.part("db"), recorder.part("web", "db")) as supervisor:
        db, web = _pid(supervisor, 0), _pid(supervisor, 1)
        psutil.Process(db).kill()
        await wait_until(lambda: supervisor.states[0].restarts and supervisor.states[0].ready)
        assert _pid(supervisor, 0) != db
        assert _pid(supervisor, 1) == web
        assert any("restarting in" in event for event in recorder.events)
    assert not psutil.pid_exists(web)


async def test_a_part_that_does_not_drain_is_killed(recorder: SupervisorRecorder) -> None:
    stubborn = recorder.part("web", program=_IGNORES_SIGTERM, drain_timeout=0.1)
    async with recorder.running(stubborn) as supervisor:
        pid = _pid(supervisor)
    assert "web ends" in recorder.lines
    assert not psutil.pid_exists(pid)


async def test_kill_ends_every_part_at_once(recorder: SupervisorRecorder) -> None:
    async with recorder.running(recorder.part("web", program=_IGNORES_SIGTERM)) as supervisor:
        pid = _pid(supervisor)
        supervisor.kill()
    assert not psutil.pid_exists(pid)


async def test_a_part_that_never_is_ready_fails_the_start(recorder: SupervisorRecorder) -> None:
    never = recorder.part("other", program="import time; time.sleep(60)", start_timeout=0.3)
    with pytest.raises(ServerNotStarted, match="other was not ready"):
        async with recorder.running(never):
            pass
    assert recorder.events == ["other stopped"]


async def test_a_step_runs_once(recorder: SupervisorRecorder) -> None:
    step = recorder.part("migrate", program="print('migrated')", once=True)
    async with recorder.running(step, recorder.part("web", "migrate")) as supervisor:
        assert supervisor.states[0].ready
        assert supervisor.states[0].process is None
        assert "migrated" in recorder.lines
        assert recorder.events[0].startswith("migrate is done")
    assert recorder.lines.count("migrated") == 1


async def test_a_failing_step_fails_the_start(recorder: SupervisorRecorder) -> None:
    step = recorder.part("migrate", program="raise SystemExit(3)", once=True)
    with pytest.raises(ServerNotStarted, match="migrate failed"):
        async with recorder.running(step, recorder.part("web", "migrate")):
            pass
    assert "web begins" not in recorder.lines


async def test_a_part_that_cannot_be_prepared_fails_the_start(recorder: SupervisorRecorder) -> None:
    def missing() -> None:
        raise MissingProgram("no such thing here")

    part = Part(name="db", command=list, environment=dict, is_ready=lambda _: True, prepare=missing)
    with pytest.raises(MissingProgram, match="no such thing"):
        async with recorder.running(part):
            pass


async def test_an_overlong_line_does_not_stop_later_lines(recorder: SupervisorRecorder) -> None:
    shouting = "print('x' * 3_000_000)\nprint('after', flush=True)"
    noisy = _PROGRAM.replace(_WAIT, f"{shouting}\n{_WAIT}")
    async with recorder.running(recorder.part("web", program=noisy)):
        await wait_until(lambda: "after" in recorder.lines)
    assert recorder.lines[-1] == "web ends"


async def test_stopping_during_the_start_leaves_no_process(
    recorder: SupervisorRecorder,
) -> None:
    parts = [recorder.part("db"), recorder.part("web", "db", program="import time; time.sleep(60)")]

    async def run() -> None:
        async with recorder.running(*parts):
            await asyncio.Event().wait()

    starting = asyncio.create_task(run())
    await wait_until(lambda: "db begins" in recorder.lines)
    starting.cancel()
    await asyncio.wait({starting})
    assert starting.cancelled()
    assert not _children_named(str(recorder.folder))


def _children_named(argument: str) -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if argument in child.cmdline()]


async def test_a_failing_restart_is_reported_and_retried(recorder: SupervisorRecorder) -> None:
    hindrances = iter([None, OSError("disk full"), None])

    def prepare() -> None:
        if hindrance := next(hindrances):
            raise hindrance

    async with recorder.running(recorder.part("db", prepare=prepare)) as supervisor:
        psutil.Process(_pid(supervisor)).kill()
        await wait_until(lambda: supervisor.states[0].restarts == 2 and supervisor.states[0].ready)
    assert "db: disk full" in recorder.events
