"""The catalogue at Stripe: found by fixed names, and created with keys that never change."""

from decimal import Decimal
from typing import Any, Final

from msaas.billing.adapters.stripe.client import API_VERSION, StripeClient
from msaas.billing.adapters.stripe.objects import read_id, read_list, read_map
from msaas.billing.application.set_up_catalogue import WebhookEndpoint
from msaas.billing.domain.catalogue import (
    CURRENCY,
    INTERVAL,
    METER_EVENT_NAME,
    METER_NAME,
    Price,
    PriceDefinition,
    PriceKind,
)
from msaas.billing.domain.errors import StripeObjectMissing
from msaas.billing.domain.stripe_events import SNAPSHOT_TYPES

_MARK: Final = {"managed_by": "msaas"}


class StripeCatalogueClient:
    def __init__(self, client: StripeClient) -> None:
        self._client = client
        self._v1 = client.sdk.v1

    async def find_meter(self) -> str | None:
        found = await self._client.call(
            "list_meters",
            lambda: self._v1.billing.meters.list_async({"status": "active", "limit": 100}),
        )
        meters = read_list(found.to_dict())
        return next(
            (each["id"] for each in meters if each.get("event_name") == METER_EVENT_NAME), None
        )

    async def create_meter(self) -> str:
        meter = await self._client.call(
            "create_meter",
            lambda: self._v1.billing.meters.create_async(
                {
                    "display_name": METER_NAME,
                    "event_name": METER_EVENT_NAME,
                    "default_aggregation": {"formula": "sum"},
                    "customer_mapping": {
                        "type": "by_id",
                        "event_payload_key": "stripe_customer_id",
                    },
                    "value_settings": {"event_payload_key": "value"},
                },
                {"idempotency_key": f"setup:meter:{METER_EVENT_NAME}"},
            ),
        )
        return meter.id

    async def has_product(self, product_id: str) -> bool:
        try:
            await self._client.call(
                "get_product", lambda: self._v1.products.retrieve_async(product_id)
            )
        except StripeObjectMissing:
            return False
        return True

    async def create_product(self, product_id: str, name: str) -> None:
        await self._client.call(
            "create_product",
            lambda: self._v1.products.create_async(
                {"id": product_id, "name": name, "metadata": _MARK},
                {"idempotency_key": f"setup:product:{product_id}"},
            ),
        )

    async def find_price(self, definition: PriceDefinition) -> Price | None:
        found = await self._client.call(
            "list_prices",
            lambda: self._v1.prices.list_async(
                {"lookup_keys": [definition.lookup_key], "limit": 1}
            ),
        )
        prices = read_list(found.to_dict())
        return _read_price(definition, prices[0]) if prices else None

    async def create_price(
        self, definition: PriceDefinition, product_id: str, meter_id: str | None
    ) -> Price:
        recurring: dict[str, Any] = {"interval": INTERVAL}
        if meter_id is not None:
            recurring |= {"usage_type": "metered", "meter": meter_id}
        params: dict[str, Any] = {
            "product": product_id,
            "currency": CURRENCY,
            "unit_amount_decimal": definition.amount,
            "recurring": recurring,
            "lookup_key": definition.lookup_key,
            "metadata": _MARK,
        }
        created = await self._client.call(
            "create_price",
            lambda: self._v1.prices.create_async(
                params,  # pyright: ignore[reportArgumentType]  # a TypedDict
                {"idempotency_key": f"setup:price:{definition.lookup_key}"},
            ),
        )
        return _read_price(definition, created.to_dict())

    async def find_portal(self) -> str | None:
        found = await self._client.call(
            "list_portals",
            lambda: self._v1.billing_portal.configurations.list_async(
                {"active": True, "limit": 100}
            ),
        )
        for each in read_list(found.to_dict()):
            if read_map(each.get("metadata")).get("managed_by") == _MARK["managed_by"]:
                return read_id(each)
        return None

    async def create_portal(self) -> str:
        created = await self._client.call(
            "create_portal",
            lambda: self._v1.billing_portal.configurations.create_async(
                {
                    "features": {
                        "invoice_history": {"enabled": True},
                        "payment_method_update": {"enabled": True},
                        "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
                    },
                    "metadata": _MARK,
                },
                {"idempotency_key": "setup:portal"},
            ),
        )
        return created.id

    async def find_endpoint(self, url: str) -> WebhookEndpoint | None:
        found = await self._client.call(
            "list_endpoints", lambda: self._v1.webhook_endpoints.list_async({"limit": 100})
        )
        for each in read_list(found.to_dict()):
            if each.get("url") == url and each.get("status") != "disabled":
                return WebhookEndpoint(
                    id=each["id"],
                    api_version=each.get("api_version"),
                    types=frozenset(each.get("enabled_events") or ()),
                )
        return None

    async def create_endpoint(self, url: str) -> WebhookEndpoint:
        params: dict[str, Any] = {
            "url": url,
            "enabled_events": list(SNAPSHOT_TYPES),
            "api_version": API_VERSION,
            "metadata": _MARK,
        }
        created = await self._client.call(
            "create_endpoint",
            lambda: self._v1.webhook_endpoints.create_async(params),  # pyright: ignore[reportArgumentType]  # a TypedDict
        )
        return WebhookEndpoint(
            id=created.id,
            api_version=API_VERSION,
            types=frozenset(SNAPSHOT_TYPES),
            secret=created.secret,
        )

    async def change_endpoint(self, endpoint_id: str) -> None:
        params: dict[str, Any] = {"enabled_events": list(SNAPSHOT_TYPES)}
        await self._client.call(
            "change_endpoint",
            lambda: self._v1.webhook_endpoints.update_async(endpoint_id, params),  # pyright: ignore[reportArgumentType]  # a TypedDict
        )


def _read_price(definition: PriceDefinition, price: Any) -> Price:
    recurring = read_map(price.get("recurring"))
    amount = price.get("unit_amount_decimal")
    return Price(
        id=price["id"],
        plan=definition.plan,
        kind=definition.kind,
        lookup_key=definition.lookup_key,
        product_id=read_id(price.get("product")) or "",
        currency=price["currency"],
        unit_amount=Decimal(str(amount if amount is not None else price.get("unit_amount"))),
        interval=str(recurring.get("interval")),
        meter_id=read_id(recurring.get("meter")) if definition.kind is PriceKind.METERED else None,
        is_offered=True,
    )
