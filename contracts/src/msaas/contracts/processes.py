"""The kinds of process in the fleet, each declared once: its command, its logins, its ports."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One kind of process; its name is also its Redis user and the name that topics use.

    A process without a `command` is planned: it has a Redis user and topics, but no program yet.
    """

    name: str
    command: tuple[str, ...] = ()
    consumer_group: str
    settings_prefix: str
    database_logins: tuple[str, ...] = ()
    public_port: int | None = None
    internal_port: int | None = None

    @property
    def internal_port_variable(self) -> str:
        return f"{self.settings_prefix}INTERNAL_PORT"


_DECLARED = (
    Process(
        name="gateway",
        command=("gateway", "serve"),
        consumer_group="gateway",
        settings_prefix="GATEWAY_",
        database_logins=("svc_gateway", "svc_gateway_read"),
        public_port=8000,
        internal_port=9000,
    ),
    Process(
        name="jobs",
        command=("jobs", "serve"),
        consumer_group="jobs",
        settings_prefix="JOBS_",
        database_logins=("svc_jobs",),
        internal_port=9001,
    ),
    Process(
        name="jobs-worker",
        command=("jobs", "worker"),
        consumer_group="jobs",
        settings_prefix="JOBS_",
        internal_port=9002,
    ),
    Process(
        name="billing",
        command=("billing", "serve"),
        consumer_group="billing",
        settings_prefix="BILLING_",
        database_logins=("svc_billing",),
        internal_port=9005,
    ),
    Process(
        name="billing-cron",
        command=("billing", "cron"),
        consumer_group="billing",
        settings_prefix="BILLING_",
        internal_port=9006,
    ),
    Process(
        name="browser-worker",
        command=("browser_worker", "serve"),
        consumer_group="browser-workers",
        settings_prefix="BROWSER_WORKER_",
        internal_port=9003,
    ),
    Process(
        name="agents",
        command=("agents", "serve"),
        consumer_group="agents",
        settings_prefix="AGENTS_",
        database_logins=("svc_agents",),
        internal_port=9007,
    ),
    Process(name="privacy", consumer_group="privacy", settings_prefix="PRIVACY_"),
)

PROCESSES: Mapping[str, Process] = MappingProxyType(
    {process.name: process for process in _DECLARED}
)

EPOCH_CREATOR = "jobs"
"""The process that creates the broker epoch: without it nothing is dispatched. All others read."""

DATABASE_LOGINS = tuple(login for process in _DECLARED for login in process.database_logins)
"""The logins that migrations create without a password."""
