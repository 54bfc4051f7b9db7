"""A worker process whose action finishes when the file that the job names exists."""

import asyncio
import os
from pathlib import Path

from msaas.contracts import EchoParams, EchoResult
from msaas.flags import read_defaults
from msaas.messaging import ConsumerTimings
from msaas.settings import RedisSettings, load_settings
from msaas.testing import wait_until
from msaas.worker import RunContext, WorkerProcess, prepare_worker, serve_worker


class WaitForFile:
    task_type = "echo"

    async def run(self, run: RunContext) -> EchoResult:
        if not isinstance(run.params, EchoParams):
            raise TypeError(run.params)
        await wait_until(Path(run.params.message).exists, timeout=60)
        return EchoResult(message="there")


async def main() -> None:
    settings = load_settings(RedisSettings, os.environ)
    process = WorkerProcess(
        kind="jobs-worker",
        topic="jobs.generic",
        slots=5,
        internal_address=("127.0.0.1", int(os.environ["PORT"])),
        metrics=prepare_worker("jobs-worker", settings),
        timings=ConsumerTimings(drain_timeout=float(os.environ.get("DRAIN", "20"))),
        checks={"folder": asyncio.Event().wait} if "STUCK" in os.environ else {},
    )
    await serve_worker(process, settings, [WaitForFile()], read_defaults({}))


if __name__ == "__main__":
    asyncio.run(main())
