"""The settings of the process, read from the environment."""

import os
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from msaas.browser_worker.egress.policy import DEFAULT_PORTS
from msaas.settings import CommaList, RedisSettings

Port = Annotated[int, Field(ge=1, le=65_535)]


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


class Settings(RedisSettings):
    """The worker has no database and no secret except the URL of Redis.

    `concurrency` is the number of jobs that run at once. `chromium` is the path of the browser,
    found automatically where it is not set. `sandbox` is Chromium's own; unset, it is on; as root
    it is off in local mode, and elsewhere the process does not start. `allowed_hosts` are private
    hosts that may be visited, `denied_hosts` are hosts that never may: host, host:port, .domain
    with all its subdomains, or network/bits. `ports` are the allowed ports of all other hosts.
    `max_received_mb` limits what a job may load, `max_memory_mb` the process of a page. Browser and
    driver are replaced after `recycle_after` jobs, after `recycle_hours`, or when they use more
    than `recycle_megabytes`.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="BROWSER_WORKER_")

    internal_port: int = Field(default=9003, ge=0, le=65_535)
    concurrency: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64)
    chromium: str | None = None
    sandbox: bool | None = None
    allowed_hosts: CommaList = ()
    denied_hosts: CommaList = ()
    ports: Annotated[frozenset[Port], BeforeValidator(_split)] = DEFAULT_PORTS
    max_received_mb: int = Field(default=64, ge=1)
    max_memory_mb: int = Field(default=1024, ge=128)
    recycle_after: int = Field(default=200, ge=1)
    recycle_hours: float = Field(default=6.0, gt=0)
    recycle_megabytes: int = Field(default=2_048, ge=128)
