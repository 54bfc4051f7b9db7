"""Logs a failed run of a periodic task, with a traceback if the error is unexpected."""

from msaas.kernel import MsaasError
from msaas.telemetry.logs import get_logger


def log_task_failure(name: str, error: Exception, failures: int) -> None:
    log = get_logger().bind(task=name, failures=failures)
    if isinstance(error, MsaasError):
        log.warning("periodic_task_failed", error=type(error).__name__)
    else:
        log.error("periodic_task_failed", exc_info=error)
