"""What the process takes from the environment."""

import os
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from msaas.browser_worker.guard import PORTS
from msaas.settings import CommaList, RedisSettings

Port = Annotated[int, Field(ge=1, le=65_535)]


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


class Settings(RedisSettings):
    """No database and no secret but the wire's.

    `concurrency` is how many jobs run at once. `chromium` names the browser, which is looked for
    where it is not named. `sandbox` is Chromium's own; unset, it is on unless root runs this.
    `allowed_hosts` are the private places that may be visited all the same, `denied_hosts` those
    that never are: host, host:port, .domain with all below it, or network/bits. `ports` are those
    of all other places. `max_received_mb` is what a job may load, `max_memory_mb` what the process
    of a page may hold. After `recycle_after` jobs browser and driver are replaced.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="BROWSER_WORKER_")

    internal_host: str = "127.0.0.1"
    internal_port: int = Field(default=9003, ge=0, le=65_535)
    concurrency: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64)
    chromium: str | None = None
    sandbox: bool | None = None
    allowed_hosts: CommaList = ()
    denied_hosts: CommaList = ()
    ports: Annotated[frozenset[Port], BeforeValidator(_split)] = PORTS
    max_received_mb: int = Field(default=64, ge=1)
    max_memory_mb: int = Field(default=1024, ge=128)
    recycle_after: int = Field(default=500, ge=1)
