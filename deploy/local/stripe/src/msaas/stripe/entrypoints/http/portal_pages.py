"""The customer portal: subscriptions, invoices, and the forms that the configuration allows."""

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from msaas.stripe.application import portal
from msaas.stripe.application.context import Cause
from msaas.stripe.application.server import Server
from msaas.stripe.domain.errors import ApiError, missing
from msaas.stripe.domain.resources import Resource
from msaas.stripe.entrypoints.http.html import money, read_form, render_page

_SEE_OTHER = 303


def build_portal_routes(server: Server, on_change: Callable[[], None]) -> list[Route]:
    pages = _PortalPages(server, on_change)
    return [
        Route("/portal/{session}", pages.show, methods=["GET"]),
        Route("/portal/{session}", pages.act, methods=["POST"]),
    ]


class _PortalPages:
    def __init__(self, server: Server, on_change: Callable[[], None]) -> None:
        self._server = server
        self._on_change = on_change

    async def show(self, request: Request) -> Response:
        self._server.run_due()
        return self._render(request.path_params["session"])

    async def act(self, request: Request) -> Response:
        identifier = request.path_params["session"]
        form = await read_form(request)
        try:
            self._server.run_due()
            with self._server.unit_of_work(Cause()):
                self._apply(self._find(identifier), form.get("action", ""), form)
        except ApiError as error:
            return self._render(identifier, error)
        finally:
            self._on_change()
        return RedirectResponse(request.url.path, _SEE_OTHER)

    def _apply(self, session: Resource, action: str, form: dict[str, str]) -> None:
        api, subscription = self._server.api, form.get("subscription", "")
        match action:
            case "cancel":
                portal.cancel(api, session, subscription)
            case "renew":
                portal.renew(api, session, subscription)
            case "change":
                portal.change_plan(api, session, subscription, form.get("price", ""))
            case "card":
                number = "".join(filter(str.isdigit, form.get("number", "")))
                portal.change_card(api, session, number)
            case _:
                raise ApiError("Unknown action.")

    def _find(self, identifier: str) -> Resource:
        session = self._server.api.store.get("billing_portal.session", identifier)
        if session["_opened_until"] < self._server.api.timeline.wall():
            raise missing("session", identifier)
        return session

    def _render(self, identifier: str, error: ApiError | None = None) -> Response:
        try:
            session = self._find(identifier)
        except ApiError:
            return render_page("Session not found", "", status=404)
        api = self._server.api
        content = "".join(
            self._render_subscription(session, subscription)
            for subscription in portal.running_subscriptions(api, session)
        )
        content = content or "<p>There is no subscription.</p>"
        content += _card_form() if portal.may_change_card(api, session) else ""
        content += self._render_invoices(session)
        if session["return_url"]:
            content += f'<p><a href="{escape(session["return_url"])}">Return</a></p>'
        return render_page(
            "Your subscription",
            content,
            error=error.message if error else "",
            status=error.status if error else 200,
        )

    def _render_subscription(self, session: Resource, subscription: Resource) -> str:
        api = self._server.api
        item = portal.flat_item(subscription)
        name = _name_price(self._server, item["price"]) if item else "Usage"
        end = _date(subscription["cancel_at"] or subscription["_end"])
        state = f"ends on {end}" if subscription["cancel_at"] else f"renews on {end}"
        forms = ""
        if subscription["cancel_at"]:
            forms += _button(subscription, "renew", "Keep the subscription")
        elif portal.may_cancel(api, session):
            forms += _button(subscription, "cancel", "Cancel the subscription")
        if offers := portal.list_offers(api, session, subscription):
            forms += self._plan_form(subscription, offers)
        return (
            f"<section><h2>{escape(name)}</h2><p>{subscription['status']}, {state}</p>"
            f"{forms}</section>"
        )

    def _plan_form(self, subscription: Resource, offers: list[Resource]) -> str:
        options = "".join(
            f'<option value="{offer["id"]}">{escape(_name_price(self._server, offer))}</option>'
            for offer in offers
        )
        return (
            f'<form method="post">{_hidden(subscription, "change")}'
            f'<label for="price-{subscription["id"]}">New plan</label>'
            f'<select id="price-{subscription["id"]}" name="price">{options}</select>'
            '<button type="submit">Change the plan</button></form>'
        )

    def _render_invoices(self, session: Resource) -> str:
        invoices = self._server.api.store.list_by("invoice", "customer", session["customer"])
        rows = "".join(
            f'<tr><td><a href="/invoices/{invoice["id"]}">{escape(invoice["number"])}</a></td>'
            f"<td>{invoice['status']}</td>"
            f"<td>{money(invoice['total'], invoice['currency'])}</td></tr>"
            for invoice in list(invoices)[::-1]
            if invoice["number"]
        )
        return (
            "<section><h2>Invoices</h2><table><thead><tr><th>Number</th><th>Status</th>"
            f"<th>Total</th></tr></thead><tbody>{rows}</tbody></table></section>"
        )


def _name_price(server: Server, price: Resource) -> str:
    product = server.api.store.get("product", price["product"])
    amount = money(price["unit_amount"] or 0, price["currency"])
    return f"{product['name']}, {amount} a {price['recurring']['interval']}"


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %B %Y")


def _button(subscription: Resource, action: str, text: str) -> str:
    hidden = _hidden(subscription, action)
    return f'<form method="post">{hidden}<button type="submit">{text}</button></form>'


def _hidden(subscription: Resource, action: str) -> str:
    return (
        f'<input type="hidden" name="action" value="{action}">'
        f'<input type="hidden" name="subscription" value="{subscription["id"]}">'
    )


def _card_form() -> str:
    return (
        '<section><h2>Payment method</h2><form method="post">'
        '<input type="hidden" name="action" value="card">'
        '<label for="number">Card number</label><input id="number" name="number" type="text" '
        'inputmode="numeric" autocomplete="cc-number" required>'
        '<button type="submit">Save the card</button></form></section>'
    )
