"""A bare FastAPI POST beside ours: what is the framework's and what is our own."""

import asyncio
import statistics
import sys

from api_load import HttpConnection, LoadRequest
from process_cpu import cpu_seconds

from msaas.embedded import find_free_port

BLOCKS = 6
APPLICATION = """
import sys, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
class Params(BaseModel):
    message: str
class Job(BaseModel):
    task_type: str
    params: Params
app = FastAPI()
@app.post("/api/v1/jobs", status_code=202)
async def submit(job: Job) -> Job:
    return job
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


async def compare_with_bare(
    ours: HttpConnection, pid: int, ask: LoadRequest, count: int
) -> tuple[float, float]:
    """Return the CPU seconds of one POST, ours and the bare one's, in blocks that take turns."""
    port = find_free_port()
    bare = await asyncio.create_subprocess_exec(sys.executable, "-c", APPLICATION, str(port))
    connection = HttpConnection("127.0.0.1", port, "Bearer nobody")
    try:
        await wait_until_answering(connection, ask)
        blocks = [
            (
                await measure_sequentially(ours, pid, ask, count),
                await measure_sequentially(connection, bare.pid, ask, count),
            )
            for _ in range(BLOCKS)
        ]
    finally:
        connection.close()
        bare.terminate()
        await bare.wait()
    ours_each, bare_each = zip(*blocks[1:], strict=True)
    return statistics.median(ours_each), statistics.median(bare_each)


async def measure_sequentially(
    connection: HttpConnection, pid: int, ask: LoadRequest, count: int
) -> float:
    before = cpu_seconds(pid)
    for _ in range(count):
        await connection.send(ask)
    return (cpu_seconds(pid) - before) / count


async def wait_until_answering(connection: HttpConnection, ask: LoadRequest) -> None:
    for _ in range(200):
        try:
            await connection.send(ask)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise TimeoutError("the bare application did not start")
