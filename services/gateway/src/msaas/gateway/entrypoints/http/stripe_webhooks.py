"""The address that Stripe sends events to; it is no part of the API for users."""

from typing import Final

from fastapi import APIRouter, Request, Response

from msaas.gateway.application.receive_webhooks import Webhook
from msaas.gateway.entrypoints.http.dependencies import (
    CorrelationIdDep,
    FindAddressDep,
    ReceiveWebhooksDep,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.web import get_body

router = APIRouter(prefix="/api/v1/billing")
# Verified requests are not limited: Stripe would send them again, and later. Others are counted.
_FROM_STRIPE: Final = guard(RouteRule(is_public=True, rate_limit=None))


@router.post("/webhooks", dependencies=[_FROM_STRIPE], include_in_schema=False)
async def receive_webhook(
    request: Request,
    receive: ReceiveWebhooksDep,
    find_address: FindAddressDep,
    correlation_id: CorrelationIdDep,
) -> Response:
    body = get_body(request.scope)
    webhook = Webhook(
        body=body.raw,
        parsed=body.json,
        signature=request.headers.get("stripe-signature"),
        address=find_address(request.scope),
    )
    await receive(webhook, correlation_id)
    return Response(status_code=200)
