"""Real servers, fake clocks, fault proxies and leak checks for every test."""

from msaas.testing.builders import (
    build_job_envelope,
    build_job_meta,
    build_job_started,
    build_job_succeeded,
    build_submit_job,
    build_usage_recorded,
)
from msaas.testing.clock import FakeClock
from msaas.testing.crash_points import Crash, ends_process, raises_crash
from msaas.testing.fault_proxy import FaultProxy
from msaas.testing.memory_wire import MemoryWire
from msaas.testing.redis_faults import cut_aof_tail
from msaas.testing.sockets import SocketBlocked
from msaas.testing.waiting import PATIENCE, wait_until

__all__ = [
    "PATIENCE",
    "Crash",
    "FakeClock",
    "FaultProxy",
    "MemoryWire",
    "SocketBlocked",
    "build_job_envelope",
    "build_job_meta",
    "build_job_started",
    "build_job_succeeded",
    "build_submit_job",
    "build_usage_recorded",
    "cut_aof_tail",
    "ends_process",
    "raises_crash",
    "wait_until",
]
