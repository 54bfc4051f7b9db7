"""Compares a POST to the gateway with one to a bare FastAPI application."""

import os
import statistics
import sys

from api_load import HttpConnection, LoadRequest
from measured_processes import cpu_seconds, running

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
    gateway: HttpConnection, pid: int, request: LoadRequest, count: int
) -> tuple[float, float]:
    """Return the CPU seconds of a POST to each, measured in alternating blocks."""
    port = find_free_port()
    command = (sys.executable, "-c", APPLICATION, str(port))
    connection = HttpConnection("127.0.0.1", port, "Bearer unused")
    async with running(command, os.environ, port, "/") as bare:
        blocks = [
            (
                await measure_sequentially(gateway, pid, request, count),
                await measure_sequentially(connection, bare.pid, request, count),
            )
            for _ in range(BLOCKS)
        ]
        connection.close()
    gateway_seconds, bare_seconds = zip(*blocks[1:], strict=True)
    return statistics.median(gateway_seconds), statistics.median(bare_seconds)


async def measure_sequentially(
    connection: HttpConnection, pid: int, request: LoadRequest, count: int
) -> float:
    before = cpu_seconds(pid)
    for _ in range(count):
        await connection.send(request)
    return (cpu_seconds(pid) - before) / count
