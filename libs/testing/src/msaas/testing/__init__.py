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
from msaas.testing.crash_points import Crash, with_crash, with_process_exit
from msaas.testing.fake_jobs_service import FakeJobsService, mark_cancelled
from msaas.testing.fault_proxy import FaultProxy
from msaas.testing.isolation import SocketBlocked
from msaas.testing.memory_broker import MemoryBroker
from msaas.testing.redis_faults import cut_aof_tail
from msaas.testing.waiting import GENEROUS_TIMEOUT, wait_until

__all__ = [
    "GENEROUS_TIMEOUT",
    "Crash",
    "FakeClock",
    "FakeJobsService",
    "FaultProxy",
    "MemoryBroker",
    "SocketBlocked",
    "build_job_envelope",
    "build_job_meta",
    "build_job_started",
    "build_job_succeeded",
    "build_submit_job",
    "build_usage_recorded",
    "cut_aof_tail",
    "mark_cancelled",
    "wait_until",
    "with_crash",
    "with_process_exit",
]
