"""The routes of the gateway, in the order in which they are matched."""

from typing import Final

from fastapi import APIRouter

from msaas.gateway.entrypoints.http import (
    account,
    agent_runs,
    agent_stream,
    api_keys,
    artifacts,
    billing,
    bulk_changes,
    dead_letters,
    docs_pages,
    flags,
    fleet,
    invoices,
    job_snapshot,
    job_stream,
    jobs,
    operator_lists,
    profile,
    stripe_webhooks,
    summaries,
    users,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.web import problem_pages

# The stream and the snapshot come before the jobs: `/jobs/{job_id}` matches their paths too.
ROUTERS = (
    *(
        account.router,
        profile.router,
        job_stream.router,
        job_snapshot.router,
        bulk_changes.router,
        jobs.router,
        artifacts.router,
        summaries.router,
    ),
    *(api_keys.router, flags.router, dead_letters.router, fleet.router, users.router),
    billing.router,
    invoices.router,
    operator_lists.router,
    *(agent_stream.router, agent_runs.router),
)
# Pages for people, and what Stripe calls; the OpenAPI document does not describe them.
PAGES: Final = APIRouter(dependencies=[guard(RouteRule(is_public=True, rate_limit=None))])
PAGES.include_router(problem_pages)
PAGES.include_router(docs_pages.router)
UNDOCUMENTED: Final = (PAGES, stripe_webhooks.router)
