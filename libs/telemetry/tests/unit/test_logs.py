"""The format of a log line, its fields, and that logging never fails."""

import asyncio
import io
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import BinaryIO, cast
from uuid import UUID

import orjson
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msaas.telemetry import bind, configure_logging, get_logger

Lines = Callable[[], list[dict[str, object]]]


def test_a_line_has_timestamp_level_event_and_service(lines: Lines) -> None:
    get_logger().warning("job_lost", attempt=2)
    (line,) = lines()
    assert list(line)[:5] == ["timestamp", "level", "event", "service", "environment"]
    at = datetime.fromisoformat(str(line.pop("timestamp")))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert line == {
        "level": "warning",
        "event": "job_lost",
        "service": "jobs",
        "environment": "test",
        "attempt": 2,
    }


async def test_bound_fields_are_on_each_line_of_the_block_and_its_tasks(
    lines: Lines,
) -> None:
    async def child() -> None:
        get_logger().info("child_ran")

    with bind(correlation_id="c1", job_id=UUID(int=1)):
        with bind(job_id=UUID(int=2)):
            await asyncio.create_task(child())
        get_logger().info("parent_ran")
    get_logger().info("outside_ran")
    child_line, parent, outside = lines()
    assert (child_line["correlation_id"], child_line["job_id"]) == ("c1", str(UUID(int=2)))
    assert parent["job_id"] == str(UUID(int=1))
    assert "correlation_id" not in outside


def test_service_and_environment_cannot_be_overwritten(lines: Lines) -> None:
    with bind(service="other", level="x", timestamp="y"):
        get_logger().info("job_started", environment="production")
    (line,) = lines()
    assert (line["service"], line["environment"], line["level"]) == ("jobs", "test", "info")


def test_lines_below_the_level_are_not_written() -> None:
    written = io.BytesIO()
    configure_logging("jobs", "test", level="WARNING", stream=written)
    get_logger().info("not_written")
    logging.getLogger("alembic").info("not written")
    assert written.getvalue() == b""


def test_records_of_the_standard_library_have_the_same_format(lines: Lines) -> None:
    with bind(correlation_id="c1"):
        logging.getLogger("alembic.runtime").info("Running upgrade %s", "a1")
    (line,) = lines()
    assert (line["event"], line["level"], line["service"]) == ("library_logged", "info", "jobs")
    assert (line["logger"], line["message"]) == ("alembic.runtime", "Running upgrade a1")
    assert line["correlation_id"] == "c1"


def test_the_handlers_of_uvicorn_are_removed() -> None:
    noisy = logging.getLogger("uvicorn.access")
    noisy.addHandler(logging.StreamHandler(io.StringIO()))
    noisy.propagate = False
    written = io.BytesIO()
    configure_logging("jobs", "test", stream=written)
    noisy.info('%s - "%s %s"', "10.0.0.1", "GET", "/x?code=PLANTED")
    assert noisy.handlers == []
    assert b'GET /x?[redacted]\\""' in written.getvalue()


def test_a_library_record_with_a_wrong_format_is_logged() -> None:
    written = io.BytesIO()
    configure_logging("jobs", "test", stream=written)
    logging.getLogger("clumsy").warning("%d jobs", "three")
    assert orjson.loads(written.getvalue())["message"] == "%d jobs"


def test_the_exception_of_a_library_record_is_logged(lines: Lines) -> None:
    logging.getLogger("asyncio").error("Task failed", exc_info=RuntimeError("gone"))
    assert "RuntimeError" in str(lines()[0]["exception"])


def test_an_exception_is_structured_with_its_cause_and_bounded(lines: Lines) -> None:
    def fail(depth: int) -> None:
        if depth:
            fail(depth - 1)
        raise KeyError("deep")

    try:
        try:
            fail(100)
        except KeyError as error:
            raise RuntimeError("x" * 1_000_000) from error
    except RuntimeError:
        get_logger().exception("job_failed")
    (line,) = lines()
    outer, inner = cast("list[dict[str, object]]", line["exception"])
    assert (line["level"], outer["exc_type"], inner["exc_type"]) == (
        "error",
        "RuntimeError",
        "KeyError",
    )
    assert len(cast("list[object]", inner["frames"])) <= 21
    assert len(orjson.dumps(line)) < 40_000


def test_a_crash_is_logged(lines: Lines) -> None:
    error = RuntimeError("cannot reach postgresql://jobs:PLANTED@db/app")
    sys.excepthook(RuntimeError, error, None)
    (line,) = lines()
    assert (line["event"], line["level"]) == ("process_crashed", "critical")
    assert "PLANTED" not in str(line)


def test_an_interrupt_is_not_logged_as_a_crash(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert lines() == []
    assert "KeyboardInterrupt" in capsys.readouterr().err


class Colour(StrEnum):
    RED = "red"


@dataclass
class Point:
    x: int


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Colour.RED, "red"),
        (Point(1), "Point(x=1)"),
        (Hostile(), "<unprintable Hostile>"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        ({3}, [3]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ({(1, 2): 3}, {"[1, 2]": 3}),
        ("half a pair \ud800", "half a pair ?"),
        (10**400, "[truncated]"),
        (float("nan"), None),
        (2**63, "[truncated]"),
    ],
)
def test_values_that_json_does_not_support_are_logged(
    value: object, written: object, lines: Lines
) -> None:
    get_logger().info("thing_seen", value=value)
    assert lines()[0]["value"] == written


json_like = st.recursive(
    st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Hostile),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.tuples(st.text()), inner),
    max_leaves=10,
)


@given(value=json_like, event=st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_becomes_one_line(stream: io.BytesIO, value: object, event: str) -> None:
    before = stream.tell()
    get_logger().info(event, value=value)
    assert stream.getvalue()[before:].count(b"\n") == 1


def test_a_value_that_fails_loses_the_fields_but_not_the_line(lines: Lines) -> None:
    class Broken(dict[str, object]):
        def items(self) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]  # broken
            raise RuntimeError("no")

    get_logger().info("thing_seen", value=Broken({"password": "PLANTED"}))
    (line,) = lines()
    assert (line["event"], line["error"]) == ("line_not_rendered", "RuntimeError")


def test_a_closed_stream_does_not_fail_the_process() -> None:
    class Gone(io.RawIOBase):
        def write(self, _line: object) -> int:
            raise BrokenPipeError

    configure_logging("jobs", "test", stream=cast("BinaryIO", Gone()))
    get_logger().info("job_started")
    assert structlog.is_configured()
