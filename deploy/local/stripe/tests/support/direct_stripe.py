"""The stand-in inside of the test, under a fake clock and without a network."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import orjson

from msaas.stripe.adapters.sqlite_journal import SqliteJournal
from msaas.stripe.adapters.stripe_package import StripePackage
from msaas.stripe.application.context import Api, Cause
from msaas.stripe.application.operator_actions import ACTIONS
from msaas.stripe.application.server import Answer, Request, Server
from msaas.stripe.application.store import Store
from msaas.stripe.application.timeline import Timeline
from msaas.stripe.domain.forms import decode_form
from msaas.testing import FakeClock

Params = dict[str, object]

START = 1_700_000_000
DAY = 86_400


class Refused(Exception):
    """The answer was an error."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(error.get("message"))
        self.status = status
        self.error = error


@cache
def load_package() -> StripePackage:
    return StripePackage()


def new_server(clock: FakeClock, path: Path | None = None) -> Server:
    store = Store(SqliteJournal(path))
    return Server(Api(store, Timeline(clock), load_package(), "http://stripe"))


@dataclass
class DirectStripe:
    """Calls the server as its HTTP entry point does, with form parameters."""

    clock: FakeClock = field(default_factory=FakeClock)
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.server = new_server(self.clock)

    def send(self, method: str, path: str, params: Params, key: str | None = None) -> Answer:
        is_json = path.startswith("/v2/") and method == "POST"
        tree = params if is_json else decode_form(encode(params))
        request = Request(method, path, tree, "test", idempotency_key=key, is_json=is_json)
        return self.server.handle(request)

    def call(
        self, method: str, path: str, params: Params, key: str | None = None
    ) -> dict[str, Any]:
        answer = self.send(method, path, params, key)
        body = orjson.loads(answer.body)
        if answer.status != 200:
            raise Refused(answer.status, body["error"])
        return body

    def post(self, path: str, key: str | None = None, /, **params: object) -> dict[str, Any]:
        return self.call("POST", path, params, key)

    def get(self, path: str, **params: object) -> dict[str, Any]:
        return self.call("GET", path, params)

    def operate(self, name: str, /, **given: object) -> dict[str, Any]:
        """Do what the operator's control of this name does."""
        with self.server.unit_of_work(Cause()):
            answer = ACTIONS[name](self.server.api, **given)
        self.server.run_due()
        return answer

    def list_all(self, path: str, **params: object) -> list[dict[str, Any]]:
        """Return all pages of a list."""
        found: list[dict[str, Any]] = []
        more = True
        while more:
            after = {"starting_after": found[-1]["id"]} if found else {}
            page = self.get(path, limit=100, **params, **after)
            found += page["data"]
            more = page["has_more"]
        return found


def encode(params: dict[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        yield from _encode(name, value)


def _encode(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, part in cast("dict[str, object]", value).items():
            yield from _encode(f"{name}[{key}]", part)
    elif isinstance(value, list):
        for index, part in enumerate(cast("list[object]", value)):
            yield from _encode(f"{name}[{index}]", part)
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


@dataclass
class Subscriber:
    """A customer with a test clock and a subscription to a flat and a metered price."""

    stripe: DirectStripe
    start: int = START
    interval: str = "month"
    clock: str = ""
    customer: str = ""
    meter: str = ""
    flat: str = ""
    larger: str = ""
    metered: str = ""
    subscription: str = ""

    def __post_init__(self) -> None:
        self.clock = self.stripe.post("/v1/test_helpers/test_clocks", frozen_time=self.start)["id"]
        self.customer = self.stripe.post(
            "/v1/customers",
            test_clock=self.clock,
            email="a@example.com",
            payment_method="pm_card_visa",
            invoice_settings={"default_payment_method": "pm_card_visa"},
        )["id"]
        self.event_name = f"jobs-{uuid4().hex}"
        self.meter = self.stripe.post(
            "/v1/billing/meters",
            display_name="Jobs",
            event_name=self.event_name,
            default_aggregation={"formula": "sum"},
        )["id"]
        product = self.stripe.post("/v1/products", name="Pro")["id"]
        recurring = {"interval": self.interval}
        self.flat = self._price(product, recurring, unit_amount=2_900)
        self.larger = self._price(product, recurring, unit_amount=9_999)
        metered = {**recurring, "usage_type": "metered", "meter": self.meter}
        self.metered = self._price(product, metered, unit_amount_decimal="0.5")

    def _price(self, product: str, recurring: dict[str, str], **amount: object) -> str:
        return self.stripe.post(
            "/v1/prices", product=product, currency="usd", recurring=recurring, **amount
        )["id"]

    def subscribe(self, **more: object) -> dict[str, Any]:
        created = self.stripe.post(
            "/v1/subscriptions",
            customer=self.customer,
            items=[{"price": self.flat}, {"price": self.metered}],
            **more,
        )
        self.subscription = created["id"]
        return created

    def read(self) -> dict[str, Any]:
        return self.stripe.get(f"/v1/subscriptions/{self.subscription}")

    def update(self, **params: object) -> dict[str, Any]:
        return self.stripe.post(f"/v1/subscriptions/{self.subscription}", **params)

    def flat_item(self) -> str:
        items = self.read()["items"]["data"]
        return next(
            item["id"] for item in items if item["price"]["recurring"]["usage_type"] == "licensed"
        )

    def change_plan(self, price: str, **more: object) -> dict[str, Any]:
        return self.update(items=[{"id": self.flat_item(), "price": price}], **more)

    @property
    def now(self) -> int:
        return self.stripe.get(f"/v1/test_helpers/test_clocks/{self.clock}")["frozen_time"]

    def advance_to(self, at: int) -> None:
        path = f"/v1/test_helpers/test_clocks/{self.clock}"
        self.stripe.post(f"{path}/advance", frozen_time=at)
        assert self.stripe.get(path)["status"] == "ready"

    def advance(self, seconds: int) -> None:
        self.advance_to(self.now + seconds)

    def use(self, units: int, at: int | None = None) -> None:
        self.stripe.post(
            "/v1/billing/meter_events",
            event_name=self.event_name,
            payload={"stripe_customer_id": self.customer, "value": str(units)},
            timestamp=self.now if at is None else at,
        )

    def invoices(self) -> list[dict[str, Any]]:
        """Return the invoices, oldest first."""
        return self.stripe.list_all("/v1/invoices", customer=self.customer)[::-1]

    def events(self) -> list[str]:
        return [event["type"] for event in self.stripe.list_all("/v1/events")][::-1]
