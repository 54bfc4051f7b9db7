"""Which endpoint and which consumer uses which database login, read from the code."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from msaas.contracts import TOPICS
from msaas.gateway.entrypoints.http.routers import ROUTERS

_USER_ROW = "`svc_gateway`: the user's own row in `identity.users`"
# The parts of `GatewayState` that endpoints depend on; a new part needs its line here.
DATABASE_ACCESS: Mapping[str, str | None] = {
    "job_views": "`svc_gateway_read` as `authenticated` with the user's claims: `api_v1`",
    "job_files": "`svc_gateway_read` as above; the artifact store, which is no database",
    "read_job_snapshot": "`svc_gateway_read` as `authenticated` with the user's claims: `api_v1`",
    "read_summary": "`svc_gateway_read` as `authenticated` with the user's claims: `api_v1`",
    "job_submission": "`svc_jobs`, by the command SubmitJob",
    "profiles": "`svc_gateway`: the user's own row in `identity.users`",
    "operator_views": "`svc_gateway`: `identity.users`, `identity.audit_outbox`",
    "change_jobs_in_bulk": "`svc_gateway_read` as above; `svc_jobs`, by the command ChangeJobs",
    "commands": "`svc_jobs`, by a command",
    "event_hub": None,  # memory
    "agent_views": "`svc_gateway_read` as `authenticated` with the user's claims: `api_v1`",
    "decide_approvals": "`svc_gateway_read` as above; `svc_agents`, by a command",
    "run_hub": None,  # memory
    "health": None,
    "authenticator": None,
    "key_streams": None,  # memory
    "job_metrics": None,
    "manage_keys": "`svc_gateway`: the user's own keys in `identity.api_keys`",
    "key_views": "`svc_gateway_read` as `authenticated` with the user's claims: `api_v1`",
    "features": None,  # memory
    "manage_access": "`svc_gateway`: `identity.users`, `identity.api_keys`",
    "manage_flags": "`svc_gateway`: `identity.flags`",
    "auditor": "`svc_gateway`: `identity.audit_outbox`",
    "list_topic_stats": None,  # numbers of the broker
    "read_circuits": None,  # memory
    "billing_views": "`svc_gateway_read` as `authenticated` with the user's claims: `api_v1`",
    "invoice_views": "`svc_gateway_read` as `authenticated` with the user's claims: `api_v1`",
    "billing_commands": "`svc_billing`, by a command",
    "billing_return_url": None,
    "list_pauses": "`svc_gateway_read` as `authenticated` with the user's claims: `api_v1`",
}
LOGINS: Mapping[str, str] = {
    "gateway": "none for this topic",
    "jobs": "`svc_jobs`",
    "jobs-worker": "none",
    "browser-worker": "none",
    "agents": "`svc_agents`",
    "billing": "`svc_billing`",
    "billing-cron": "`svc_billing`",
    "privacy": "arrives with privacy",
}

_HEADER = """
## Endpoints

Every endpoint asks for a user's token first; without one it reaches nothing.

| endpoint | reaches the database as |
| --- | --- |
"""
_CONSUMERS = """
## Consumers

| topic | consumer | login |
| --- | --- | --- |
"""


def render_callers() -> str:
    endpoints = [
        f"| `{method} {route.path}` | {'; '.join(_describe_access(route))} |"
        for route in _routes()
        for method in sorted(route.methods or ())
    ]
    consumers = [
        f"| `{topic.name}` | {consumer} | {LOGINS[consumer]} |"
        for topic in TOPICS.values()
        for consumer in topic.consumers
    ]
    return _HEADER + "\n".join(endpoints) + "\n" + _CONSUMERS + "\n".join(consumers)


def _routes() -> Iterator[APIRoute]:
    for router in ROUTERS:
        yield from (route for route in router.routes if isinstance(route, APIRoute))


def _describe_access(route: APIRoute) -> Iterable[str]:
    yield _USER_ROW
    for name in sorted(_find_state_names(route.dependant)):
        if access := DATABASE_ACCESS[name]:
            yield access


def _find_state_names(dependant: Dependant) -> Iterator[str]:
    """Find the parts of `GatewayState` that an endpoint depends on, directly or not."""
    for dependency in dependant.dependencies:
        if getattr(dependency.call, "__qualname__", "").startswith("part.<locals>"):
            get_part = inspect.getclosurevars(cast("Any", dependency.call)).nonlocals["get_part"]
            yield from get_part.__code__.co_names
        yield from _find_state_names(dependency)
