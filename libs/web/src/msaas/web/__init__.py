"""One application factory: problems, health, metrics and graceful shutdown for every process."""

from msaas.web.app import BODY_LIMIT, REQUEST_TIMEOUT, create_app
from msaas.web.asgi import get_route_template
from msaas.web.client_address import ClientAddressResolver
from msaas.web.health import Health
from msaas.web.hijacked_connection import HijackedConnection, get_hijacked_connection
from msaas.web.internal import create_internal_app
from msaas.web.middleware import BufferedBody, Cors, Deprecation, encode_body, get_body
from msaas.web.problem_pages import router as problem_pages
from msaas.web.problems import (
    Malformed,
    PayloadTooLarge,
    UnsupportedMediaType,
    describe_error,
    problem_for,
    problem_response,
)
from msaas.web.process import run, run_process, serve
from msaas.web.server import PortTaken, StartupFailed
from msaas.web.state import build_scope_state, get_correlation_id, get_state, read_state

__all__ = [
    "BODY_LIMIT",
    "REQUEST_TIMEOUT",
    "BufferedBody",
    "ClientAddressResolver",
    "Cors",
    "Deprecation",
    "Health",
    "HijackedConnection",
    "Malformed",
    "PayloadTooLarge",
    "PortTaken",
    "StartupFailed",
    "UnsupportedMediaType",
    "build_scope_state",
    "create_app",
    "create_internal_app",
    "describe_error",
    "encode_body",
    "get_body",
    "get_correlation_id",
    "get_hijacked_connection",
    "get_route_template",
    "get_state",
    "problem_for",
    "problem_pages",
    "problem_response",
    "read_state",
    "run",
    "run_process",
    "serve",
]
