"""Sends spans over HTTP to a test collector and reads them there."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from msaas.telemetry import configure_tracing, instrument, shutdown_tracing, span

Lines = Callable[[], list[dict[str, object]]]
SAMPLED: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector:
    """An OTLP/HTTP collector that stores what it receives, and also answers plain GETs."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                bodies.append((self.path, body))
                self.do_GET()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def spans(self) -> dict[str, bytes]:
        """Map each span's name to the span as it was exported."""
        return {
            made.name: made.SerializeToString()
            for path, body in self.bodies
            if path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for made in scope.spans
        }


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running
        shutdown_tracing()


def test_spans_arrive_at_the_collector_when_tracing_shuts_down(collector: Collector) -> None:
    configure_tracing("jobs", "test", endpoint=collector.url + "/", sample_ratio=0.0)
    with span("jobs.process", traceparent=SAMPLED, task_type="echo"), span("jobs.persist"):
        pass
    with span("jobs.dispatch"):
        pass
    shutdown_tracing()
    assert collector.spans.keys() == {"jobs.process", "jobs.persist"}
    assert bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736") in collector.spans["jobs.process"]
    assert b"echo" in collector.spans["jobs.process"]


def fetch_and_fail(url: str) -> None:
    httpx.get(url)
    raise RuntimeError("Cookie: sid=PLANTED")


def test_no_planted_secret_reaches_the_collector(collector: Collector) -> None:
    configure_tracing("jobs", "test", endpoint=collector.url, sample_ratio=1.0)
    instrument("httpx")
    with pytest.raises(RuntimeError), span("jobs.process", header="Bearer PLANTED"):
        fetch_and_fail(f"{collector.url}/callback?code=PLANTED")
    shutdown_tracing()
    assert collector.spans.keys() == {"jobs.process", "GET"}
    assert not [path for path, body in collector.bodies if b"PLANTED" in body]


def test_an_unavailable_collector_loses_only_its_spans(collector: Collector, lines: Lines) -> None:
    with Collector() as gone:
        pass
    configure_tracing("jobs", "test", endpoint=gone.url, sample_ratio=1.0)
    with span("jobs.process"):
        done = True
    shutdown_tracing()
    configure_tracing("jobs", "test", endpoint=collector.url, sample_ratio=1.0)
    with span("jobs.persist"):
        pass
    shutdown_tracing()
    assert done
    assert collector.spans.keys() == {"jobs.persist"}
    assert {line["event"] for line in lines()} == {"library_logged"}
