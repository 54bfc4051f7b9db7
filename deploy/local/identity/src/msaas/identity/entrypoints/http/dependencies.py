"""The checks before a request: the project's key, the rate limit, the access token."""

import hmac
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request

from msaas.identity.application.one_time_sign_in import OneTimeSignIn
from msaas.identity.application.use_cases import AuthenticatedSession, AuthUseCases
from msaas.identity.domain.errors import AuthError, NoAuthorization
from msaas.identity.entrypoints.http.throttle import Throttle
from msaas.telemetry import Metrics
from msaas.web import read_state


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityService:
    """The use cases that the routes call, and the state of the application."""

    anon_key: bytes = field(repr=False)
    throttle: Throttle
    metrics: Metrics
    use_cases: AuthUseCases
    one_time: OneTimeSignIn
    discovery: Mapping[str, Any]

    @contextmanager
    def count_outcome(self, grant: str) -> Generator[None]:
        outcome = "error"
        try:
            yield
            outcome = "ok"
        except AuthError as refusal:
            outcome = refusal.code
            raise
        finally:
            self.metrics.counter(
                "msaas_identity_grants_total", "Requests for a session.", ("grant", "outcome")
            ).labels(grant=grant, outcome=outcome).inc()

    def check_rate_limit(self, request: Request) -> None:
        """Limit by the connection's address, because a client can forge headers."""
        self.throttle.take(request.client.host if request.client else "unknown")


IdentityServiceDep = Annotated[IdentityService, Depends(read_state(IdentityService))]


def require_api_key(request: Request, service: IdentityServiceDep) -> None:
    """Check the project's key, as Supabase's API gateway does."""
    given = request.headers.get("apikey")
    if not given:
        raise NoAuthorization("No API key found in request")
    if not hmac.compare_digest(given.encode(), service.anon_key):
        raise NoAuthorization("Invalid API key")


async def require_session(request: Request, service: IdentityServiceDep) -> AuthenticatedSession:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NoAuthorization
    return await service.use_cases.authenticate(token.strip())


CurrentSession = Annotated[AuthenticatedSession, Depends(require_session)]
