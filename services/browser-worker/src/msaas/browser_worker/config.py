"""What the process takes from the environment."""

import os
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from msaas.browser_worker.egress.policy import DEFAULT_PORTS
from msaas.settings import CommaList, RedisSettings

Port = Annotated[int, Field(ge=1, le=65_535)]


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _task_flag(name: str) -> Any:
    return Field(default=True, validation_alias=f"FF_BROWSER_TASK_{name}_ENABLED")


class Settings(RedisSettings):
    """No database and no secret but the wire's.

    `concurrency` is how many jobs run at once. `chromium` names the browser, which is looked for
    where it is not named. `sandbox` is Chromium's own; unset, it is on unless root runs this.
    `allowed_hosts` are the private places that may be visited all the same, `denied_hosts` those
    that never are: host, host:port, .domain with all below it, or network/bits. `ports` are those
    of all other places. `max_received_mb` is what a job may load, `max_memory_mb` what the process
    of a page may hold. After `recycle_after` jobs browser and driver are replaced, and sooner where
    they are older than `recycle_hours` or hold more than `recycle_megabytes`. Flags switch tasks
    off.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="BROWSER_WORKER_")

    internal_host: str = "127.0.0.1"
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
    all_tasks: bool = Field(default=True, validation_alias="FF_BROWSER_WORKER_ENABLED")
    navigate_and_extract_text: bool = _task_flag("NAVIGATE_AND_EXTRACT_TEXT")
    extract_markdown: bool = _task_flag("EXTRACT_MARKDOWN")
    extract_structured: bool = _task_flag("EXTRACT_STRUCTURED")
    extract_links: bool = _task_flag("EXTRACT_LINKS")
    capture_screenshot: bool = _task_flag("CAPTURE_SCREENSHOT")
    render_pdf: bool = _task_flag("RENDER_PDF")
    run_steps: bool = _task_flag("RUN_STEPS")
    crawl_site: bool = _task_flag("CRAWL_SITE")

    def list_disabled_flags(self) -> frozenset[str]:
        return frozenset(
            str(field.validation_alias)
            for name, field in type(self).model_fields.items()
            if str(field.validation_alias).startswith("FF_") and not getattr(self, name)
        )
