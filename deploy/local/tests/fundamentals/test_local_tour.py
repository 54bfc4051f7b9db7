"""A tour of the launcher: servers, and the supervisor that restarts parts."""

import asyncio
import sys
from pathlib import Path

from msaas.embedded import RedisServer, die_with_parent_command
from msaas.local import Part
from msaas.local.part import server_part
from msaas.local.supervisor import Supervisor
from msaas.testing import wait_until


def test_a_server_is_a_folder_that_can_be_started(world_readable_folder: Path) -> None:
    server = RedisServer(world_readable_folder / "redis")
    server.start()
    assert server.running
    assert server.url == f"redis://127.0.0.1:{server.port}/0"
    server.stop()
    assert not server.running


async def test_a_part_is_a_command_that_waits_for_others(world_readable_folder: Path) -> None:
    redis = RedisServer(world_readable_folder / "redis")
    program = (
        "import os, time; print('serving', os.environ['REDIS_URL'], flush=True); time.sleep(60)"
    )
    lines: list[str] = []
    service = Part(
        name="service",
        command=lambda: die_with_parent_command([sys.executable, "-c", program], Part.stop_signal),
        environment=lambda: {"REDIS_URL": redis.url},
        is_ready=lambda _: any("serving" in line for line in lines),
        depends_on=("redis",),
    )
    supervisor = Supervisor(
        [service, server_part(redis)],
        on_line=lambda name, line: lines.append(f"{name}: {line.decode()}"),
        on_event=lambda _: None,
        on_change=lambda: None,
    )
    try:
        await asyncio.wait_for(supervisor.start(), 30)
        await wait_until(lambda: f"service: serving {redis.url}" in lines)
        assert [(state.name, state.ready) for state in supervisor.states] == [
            ("redis", True),
            ("service", True),
        ]
    finally:
        await supervisor.stop()
