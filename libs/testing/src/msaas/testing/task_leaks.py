"""Finds asyncio tasks that a test has left behind."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

_LOOP_TURNS = 50


@asynccontextmanager
async def fail_on_leaked_tasks() -> AsyncGenerator[None]:
    before = asyncio.all_tasks()
    yield
    # Cancelled tasks, closing transports and abandoned generators need some turns to be gone.
    for _ in range(_LOOP_TURNS):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        names = sorted(f"{task.get_name()} {task.get_coro()}" for task in left)
        pytest.fail(f"tasks left behind: {names}", pytrace=False)
