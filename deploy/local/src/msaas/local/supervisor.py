"""Starts parts in order, restarts those that exit, and stops each after its dependants."""

import asyncio
import os
import signal
import time
from asyncio import FIRST_COMPLETED
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from msaas.embedded import LocalError, ServerNotStarted
from msaas.kernel import RetryPolicy
from msaas.local.part import Part, start_order
from msaas.local.state import PartState, find_process

BACKOFF = RetryPolicy(base=0.2, cap=10.0, attempts=None)
_STABLE_AFTER = 30.0
_READY_POLL_INTERVAL = 0.02
_OUTPUT_TIMEOUT = 2.0
_MAX_LINE_BYTES = 1 << 20


class _SupervisedPart:
    """One part, its current process and its state."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.state = PartState(part.name, stop_signal=part.stop_signal)
        self.was_ready = asyncio.Event()
        self.process: Process | None = None
        self.output_task: asyncio.Task[None] | None = None
        self.supervising_task: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None


class Supervisor:
    """Reports through three callbacks: a log line, an event, a changed state."""

    def __init__(
        self,
        parts: Iterable[Part],
        *,
        on_line: Callable[[str, bytes], None],
        on_event: Callable[[str], None],
        on_change: Callable[[], None],
        backoff: RetryPolicy = BACKOFF,
    ) -> None:
        self._runs = {part.name: _SupervisedPart(part) for part in start_order(parts)}
        self._on_line = on_line
        self._on_event = on_event
        self._on_change = on_change
        self._backoff = backoff

    @property
    def states(self) -> list[PartState]:
        return [run.state for run in self._runs.values()]

    async def start(self) -> None:
        """Return when every part is ready; raise the error of a part that cannot start."""
        for run in self._runs.values():
            run.supervising_task = asyncio.create_task(
                self._supervise(run), name=f"supervise {run.part.name}"
            )
        for run in self._runs.values():
            await _wait_until_ready(run)

    async def stop(self) -> None:
        """End each part after all parts that depend on it have ended."""
        async with asyncio.TaskGroup() as group:
            ending: dict[str, asyncio.Task[None]] = {}
            for name, run in reversed(self._runs.items()):
                dependants = [
                    ending[other] for other in ending if name in self._runs[other].part.depends_on
                ]
                ending[name] = group.create_task(self._stop(run, dependants))

    async def _stop(self, run: _SupervisedPart, dependants: Sequence[asyncio.Task[None]]) -> None:
        for dependant in dependants:
            await dependant
        if run.supervising_task:
            run.supervising_task.cancel()
            await asyncio.wait({run.supervising_task})
        if run.process and run.alive:
            await _end(run.process, run.part)
            self._on_event(f"{run.part.name} stopped")
        await self._record_exit(run)

    def kill(self) -> None:
        """Kill every part without draining."""
        for run in self._runs.values():
            if run.process and run.alive:
                _signal_group(run.process, signal.SIGKILL)

    async def _supervise(self, run: _SupervisedPart) -> None:
        """Restart the part whenever it exits; its dependencies need to have been ready once."""
        for name in run.part.depends_on:
            await self._runs[name].was_ready.wait()
        attempt = 0
        while True:
            began = time.monotonic()
            try:
                await self._run_once(run)
                if run.part.once:
                    return
            except (LocalError, OSError) as error:
                if not run.was_ready.is_set():
                    raise
                self._on_event(f"{run.part.name}: {error}")
            attempt = 1 if time.monotonic() - began > _STABLE_AFTER else attempt + 1
            pause = self._backoff.delay(attempt)
            self._on_event(f"{run.part.name} ended; restarting in {pause:.1f} s")
            await asyncio.sleep(pause)
            run.state.restarts += 1

    async def _run_once(self, run: _SupervisedPart) -> None:
        began = time.monotonic()
        await asyncio.to_thread(run.part.prepare)
        process = await self._spawn(run)
        if run.part.once:
            await self._finish_step(run, process, began)
            return
        if await _poll_until_ready(process, run.part):
            run.state.start_seconds = time.monotonic() - began
            self._set_ready(run)
        await process.wait()
        _signal_group(process, signal.SIGKILL)
        await self._record_exit(run)

    async def _finish_step(self, run: _SupervisedPart, process: Process, began: float) -> None:
        code = await process.wait()
        await self._record_exit(run)
        if code:
            raise ServerNotStarted(f"{run.part.name} failed; `logs {run.part.name}` shows why")
        run.state.start_seconds = time.monotonic() - began
        self._set_ready(run)

    async def _record_exit(self, run: _SupervisedPart) -> None:
        """Read the remaining output of a process that has ended."""
        if run.output_task:
            await asyncio.wait({run.output_task}, timeout=_OUTPUT_TIMEOUT)
            run.output_task.cancel()
        run.state.process = None
        run.state.ready = False
        self._on_change()

    async def _spawn(self, run: _SupervisedPart) -> Process:
        process = await asyncio.create_subprocess_exec(
            *run.part.command(),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=run.part.environment(),
            # Ctrl-C on the terminal signals the launcher only, which stops the parts in order.
            start_new_session=True,
            limit=_MAX_LINE_BYTES,
        )
        run.process = process
        run.output_task = asyncio.create_task(self._forward_output(run.part.name, process))
        run.state.process = find_process(process.pid)
        self._on_change()
        return process

    def _set_ready(self, run: _SupervisedPart) -> None:
        run.state.ready = True
        run.state.url = run.part.url() if run.part.url else None
        run.was_ready.set()
        self._on_change()
        again = " again" if run.state.restarts else ""
        outcome = "done" if run.part.once else f"ready{again}"
        self._on_event(f"{run.part.name} is {outcome} ({run.state.start_seconds:.2f} s)")

    async def _forward_output(self, name: str, process: Process) -> None:
        output = process.stdout
        while output and not output.at_eof():
            with suppress(ValueError):  # an overlong line: asyncio has dropped its beginning
                if line := await output.readline():
                    self._on_line(name, line.rstrip(b"\r\n"))


async def _wait_until_ready(run: _SupervisedPart) -> None:
    """Wait until the part was ready once, or until its supervising task fails."""
    if run.supervising_task is None:
        return
    ready = asyncio.create_task(run.was_ready.wait())
    try:
        await asyncio.wait(
            {ready, run.supervising_task},
            timeout=run.part.start_timeout,
            return_when=FIRST_COMPLETED,
        )
    finally:
        ready.cancel()
    if run.supervising_task.done():
        run.supervising_task.result()
    if not run.was_ready.is_set():
        raise ServerNotStarted(
            f"{run.part.name} was not ready within {run.part.start_timeout:g} s; "
            f"`logs {run.part.name}` shows why"
        )


async def _poll_until_ready(process: Process, part: Part) -> bool:
    while process.returncode is None:
        if await asyncio.to_thread(part.is_ready, process.pid):
            return True
        await asyncio.sleep(_READY_POLL_INTERVAL)
    return False


async def _end(process: Process, part: Part) -> None:
    process.send_signal(part.stop_signal)
    try:
        await asyncio.wait_for(process.wait(), part.drain_timeout)
    except TimeoutError:
        _signal_group(process, signal.SIGKILL)
        await process.wait()


def _signal_group(process: Process, sent_signal: signal.Signals) -> None:
    """Signal the whole process group of the part."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, sent_signal)
