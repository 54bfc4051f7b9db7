"""What the process takes from the environment."""

import os
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from msaas.settings import CommaList, RedisSettings


class Settings(RedisSettings):
    """No database and no secret but the wire's.

    `concurrency` is how many jobs run at once. `chromium` names the browser, which is looked for
    where it is not named. `sandbox` is Chromium's own; unset, it is on unless root runs this.
    `allowed_hosts` are the private addresses that may be visited all the same, as host or
    host:port. After `recycle_after` jobs browser and driver are replaced.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="BROWSER_WORKER_")

    internal_host: str = "127.0.0.1"
    internal_port: int = Field(default=9003, ge=0, le=65_535)
    concurrency: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64)
    chromium: str | None = None
    sandbox: bool | None = None
    allowed_hosts: CommaList = ()
    recycle_after: int = Field(default=500, ge=1)
