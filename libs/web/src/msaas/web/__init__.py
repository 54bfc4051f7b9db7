"""One application factory: problems, health, metrics and graceful shutdown for every process."""

from msaas.web.app import BODY_LIMIT, REQUEST_TIMEOUT, create_app, from_state
from msaas.web.asgi import route_of
from msaas.web.client_address import ClientAddresses
from msaas.web.health import Health
from msaas.web.internal import create_internal_app
from msaas.web.middleware import Cors, Deprecation
from msaas.web.peer import Peer, get_peer
from msaas.web.problem_pages import router as problem_pages
from msaas.web.problems import (
    Malformed,
    PayloadTooLarge,
    UnsupportedMediaType,
    describe,
    problem_for,
    problem_response,
)
from msaas.web.process import run, run_process, serve
from msaas.web.server import PortTaken, StartupFailed

__all__ = [
    "BODY_LIMIT",
    "REQUEST_TIMEOUT",
    "ClientAddresses",
    "Cors",
    "Deprecation",
    "Health",
    "Malformed",
    "PayloadTooLarge",
    "Peer",
    "PortTaken",
    "StartupFailed",
    "UnsupportedMediaType",
    "create_app",
    "create_internal_app",
    "describe",
    "from_state",
    "get_peer",
    "problem_for",
    "problem_pages",
    "problem_response",
    "route_of",
    "run",
    "run_process",
    "serve",
]
