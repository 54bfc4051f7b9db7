"""A worker process whose runs record that they act, and do nothing else.

It stands for the worker of its kind: `jobs-worker` with `echo`, `browser-worker` with `run_steps`.
"""

import asyncio
import os
import sys
from typing import Final

from msaas.contracts import (
    PROCESSES,
    TASKS,
    EchoParams,
    EchoResult,
    RunStepsParams,
    RunStepsResult,
    Task,
)
from msaas.dev.chaos.effects import record_effect
from msaas.embedded.ports import LOOPBACK
from msaas.flags import read_defaults
from msaas.settings import RedisSettings, load_settings
from msaas.worker import RunContext, WorkerProcess, prepare_worker, serve_worker

COUNTED_TASKS: Final = {"jobs-worker": "echo", "browser-worker": "run_steps"}
_SLOTS: Final = 50
_STEPS_SECONDS: Final = 1.5


class _CountedAction:
    """Acts in the middle of its run, so that faults hit it before and after."""

    def __init__(self, task: Task) -> None:
        self.task_type = task.task_type

    async def run(self, run: RunContext) -> EchoResult | RunStepsResult:
        match run.params:
            case EchoParams(message=message, delay_ms=delay_ms):
                await _act(run, delay_ms / 1000)
                return EchoResult(message=message)
            case RunStepsParams(url=url):
                await _act(run, _STEPS_SECONDS)
                return RunStepsResult(url=url, final_url=url, steps=(), extracted={})
            case other:
                raise TypeError(other)


async def _act(run: RunContext, seconds: float) -> None:
    await asyncio.sleep(seconds / 2)
    record_effect(run.envelope)
    await asyncio.sleep(seconds / 2)


async def serve(kind: str) -> None:
    settings, task = load_settings(RedisSettings, os.environ), TASKS[COUNTED_TASKS[kind]]
    process = WorkerProcess(
        kind=kind,
        topic=task.topic,
        slots=_SLOTS,
        internal_address=(LOOPBACK, int(os.environ[PROCESSES[kind].internal_port_variable])),
        metrics=prepare_worker(kind, settings),
    )
    await serve_worker(process, settings, [_CountedAction(task)], read_defaults(os.environ))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
