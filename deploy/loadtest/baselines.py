"""Baselines of the jobs benchmark: other Redis queues, each with one worker process.

The script fills a queue, or drains it and prints the time. Each library runs the same trivial job,
keeps no result and uses its best concurrency. The clock runs from the first read to the last job.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from itertools import count
from typing import Any, NoReturn

import psutil
from measured_processes import pin

CONCURRENCY = 100
THREADS = 8
MESSAGE = "hello"


class Baseline(ABC):
    """One library, imported late because only the benchmark environment has it."""

    def __init__(self, url: str, job_count: int) -> None:
        self.url = url
        self.job_count = job_count
        self._done = count(1)
        self._started_at = 0.0
        self._cpu = 0.0

    def start_clock(self) -> None:
        self._started_at, self._cpu = time.perf_counter(), time.process_time()

    def echo(self, message: str) -> dict[str, str]:
        if next(self._done) == self.job_count:
            self._report()
        return {"message": message}

    def _report(self) -> NoReturn:
        seconds, cpu = time.perf_counter() - self._started_at, time.process_time() - self._cpu
        report = json.dumps({"seconds": seconds, "cpu": cpu})
        os.write(1, f"\n{report}\n".encode())  # celery uses sys.stdout for its log
        os._exit(0)

    @abstractmethod
    def fill(self) -> None: ...

    @abstractmethod
    def work(self) -> None: ...


class Arq(Baseline):
    def fill(self) -> None:
        async def enqueue() -> None:
            arq: Any = import_module("arq")
            pool = await arq.create_pool(arq.connections.RedisSettings.from_dsn(self.url))
            for _ in range(0, self.job_count, 50):
                await asyncio.gather(*(pool.enqueue_job("echo", MESSAGE) for _ in range(50)))
            await pool.aclose()

        asyncio.run(enqueue())

    def work(self) -> None:
        arq: Any = import_module("arq")

        async def echo(_context: object, message: str) -> dict[str, str]:
            return self.echo(message)

        async def drain() -> None:
            worker = arq.Worker(
                functions=[arq.func(echo, name="echo", keep_result=0)],
                redis_settings=arq.connections.RedisSettings.from_dsn(self.url),
                max_jobs=CONCURRENCY,
                poll_delay=0.01,
                handle_signals=False,
            )
            self.start_clock()
            await worker.async_run()

        asyncio.run(drain())


class Taskiq(Baseline):
    def _broker(self) -> Any:
        broker: Any = import_module("taskiq_redis").ListQueueBroker(self.url)

        async def echo(message: str) -> dict[str, str]:
            return self.echo(message)

        return broker, broker.register_task(echo, task_name="echo")

    def fill(self) -> None:
        async def enqueue() -> None:
            broker, task = self._broker()
            await broker.startup()
            for _ in range(0, self.job_count, 50):
                await asyncio.gather(*(task.kiq(MESSAGE) for _ in range(50)))
            await broker.shutdown()

        asyncio.run(enqueue())

    def work(self) -> None:
        receiver: Any = import_module("taskiq.receiver").Receiver

        async def drain() -> None:
            broker, _ = self._broker()
            broker.is_worker_process = True
            self.start_clock()
            await receiver(broker, max_async_tasks=CONCURRENCY).listen(asyncio.Event())

        asyncio.run(drain())


class Celery(Baseline):
    def _app(self) -> Any:
        app: Any = import_module("celery").Celery("baselines", broker=self.url)
        app.conf.update(
            task_ignore_result=True,
            worker_prefetch_multiplier=CONCURRENCY,
            worker_hijack_root_logger=False,
            broker_connection_retry_on_startup=True,
        )

        def echo(
            message: str,
        ) -> dict[str, str]:  # celery miscounts the arguments of a bound method
            return self.echo(message)

        return app, app.task(name="echo")(echo)

    def fill(self) -> None:
        app, task = self._app()
        with app.producer_pool.acquire(block=True) as producer:
            for _ in range(self.job_count):
                task.apply_async((MESSAGE,), producer=producer)

    def work(self) -> None:
        app, _ = self._app()
        ready: Any = import_module("celery.signals").worker_ready

        def on_ready(**_: object) -> None:
            self.start_clock()

        ready.connect(on_ready, weak=False)
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        app.worker_main(["worker", "-P", "solo", "--loglevel=ERROR", *quiet])


class Dramatiq(Baseline):
    def _broker(self) -> Any:
        dramatiq: Any = import_module("dramatiq")
        broker: Any = import_module("dramatiq.brokers.redis").RedisBroker(url=self.url)

        def echo(message: str) -> None:  # dramatiq warns about unused results
            self.echo(message)

        return broker, dramatiq.actor(echo, actor_name="echo", broker=broker)

    def fill(self) -> None:
        _, actor = self._broker()
        for _ in range(self.job_count):
            actor.send(MESSAGE)

    def work(self) -> None:
        os.environ["dramatiq_queue_prefetch"] = str(CONCURRENCY)  # noqa: SIM112  # the name dramatiq uses
        broker, _ = self._broker()
        self.start_clock()
        import_module("dramatiq").Worker(broker, worker_threads=THREADS).start()
        while True:
            time.sleep(1)


BASELINES: dict[str, type[Baseline]] = {
    "arq": Arq,
    "taskiq-redis": Taskiq,
    "celery": Celery,
    "dramatiq": Dramatiq,
}


async def run_baseline(
    command: str, name: str, url: str, job_count: int, cores: Sequence[int] = ()
) -> dict[str, float]:
    """Run a baseline as a process, on these cores; its last line is the report."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", __file__, command, name, url, str(job_count)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    if cores:
        pin([psutil.Process(process.pid)], cores)
    output, _ = await asyncio.wait_for(process.communicate(), 300)
    if process.returncode:
        raise RuntimeError(f"{name} failed to {command}")
    return json.loads(output.splitlines()[-1]) if command == "work" else {}


def main(command: str, name: str, url: str, job_count: str) -> None:
    baseline = BASELINES[name](url, int(job_count))
    getattr(baseline, command)()


if __name__ == "__main__":
    main(*sys.argv[1:])
