"""Writes each log event of structlog and the standard library as a line of JSON."""

import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import BinaryIO, Final, cast

import orjson
import structlog
from structlog.contextvars import bound_contextvars, get_contextvars
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from msaas.telemetry.redaction import redact, to_plain
from msaas.telemetry.secret_patterns import may_contain_secret
from msaas.telemetry.tracing import current_trace_ids

_MAX_LINE: Final = 32_000
_OPTIONS: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS
# They log every call at INFO, which spans already record.
_NOISY_LOGGERS: Final = ("httpx", "httpcore", "urllib3")
_UVICORN_LOGGERS: Final = ("uvicorn", "uvicorn.access", "uvicorn.error")


def configure_logging(
    service: str, environment: str, *, level: str = "INFO", stream: BinaryIO | None = None
) -> None:
    """Send every log line of this process, and an uncaught exception, to `stream` or stdout."""
    renderer = _JsonRenderer({"service": service, "environment": environment})
    sink = structlog.BytesLogger(cast("BinaryIO", _SafeStream(stream or sys.stdout.buffer)))
    structlog.configure(
        processors=[renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=True,
    )
    _redirect_stdlib(_StdlibHandler(renderer, sink), level)
    sys.excepthook = _log_crash


def get_logger() -> FilteringBoundLogger:
    return cast("FilteringBoundLogger", structlog.get_logger())


def bind(**fields: object) -> AbstractContextManager[None]:
    """Add fields to every line of the block, also in the tasks that it starts."""
    return bound_contextvars(**fields)


class _JsonRenderer:
    """Renders an event as JSON, for structlog and the standard library."""

    def __init__(self, base_fields: Mapping[str, str]) -> None:
        self._base_fields = base_fields
        self._render_exception = ExceptionRenderer(
            ExceptionDictTransformer(show_locals=False, max_frames=20)
        )

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        level = "error" if method == "exception" else method
        head = {"timestamp": datetime.now(UTC), "level": level, "event": event.pop("event", None)}
        head |= self._base_fields
        try:
            fields = {**get_contextvars(), **current_trace_ids(), **event}
            if "exc_info" in event:
                fields = dict(self._render_exception(logger, method, fields))
            return _encode(head | {name: fields[name] for name in fields if name not in head})
        except Exception as error:  # noqa: BLE001  # logging must not fail, whatever the fields
            return _encode(head | {"event": "line_not_rendered", "error": type(error).__name__})


def _encode(line: Mapping[str, object]) -> bytes:
    try:
        encoded = orjson.dumps(line, default=to_plain, option=_OPTIONS)
    except TypeError:  # nesting, large numbers, lone surrogates, keys
        encoded = b""
    if encoded and len(encoded) <= _MAX_LINE and not may_contain_secret(encoded):
        return encoded
    return orjson.dumps(redact(line), option=_OPTIONS)


class _StdlibHandler(logging.Handler):
    """Converts records of the standard library to log events."""

    def __init__(self, renderer: _JsonRenderer, sink: structlog.BytesLogger) -> None:
        super().__init__()
        self._renderer = renderer
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        event: EventDict = {
            "event": "library_logged",
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info:
            event["exc_info"] = record.exc_info
        self._sink.msg(self._renderer(self._sink, record.levelname.lower(), event))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # the arguments do not fit the format
        return str(record.msg)


class _SafeStream:
    """A stream that ignores write errors, for example when its reader is gone."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def _redirect_stdlib(handler: logging.Handler, level: str) -> None:
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level.upper())
    for name in _UVICORN_LOGGERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


def _log_crash(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, Exception):
        get_logger().critical("process_crashed", exc_info=(kind, error, traceback))
    else:
        sys.__excepthook__(kind, error, traceback)
