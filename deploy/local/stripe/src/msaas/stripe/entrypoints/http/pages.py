"""The hosted pages: checkout, customer portal, invoice."""

from collections.abc import Callable
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from msaas.stripe.application.checkout_sessions import complete
from msaas.stripe.application.context import Cause
from msaas.stripe.application.server import Server
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource
from msaas.stripe.entrypoints.http.html import STYLE, money, read_form, render_page

_SEE_OTHER: Final = 303
_FORM: Final = """
<form method="post">
<label for="email">E-mail</label>
<input id="email" name="email" type="email" autocomplete="email" required value="{email}">
<label for="number">Card number</label>
<input id="number" name="number" type="text" inputmode="numeric" autocomplete="cc-number" required
 aria-describedby="cards" value="4242 4242 4242 4242">
<p id="cards">4242 4242 4242 4242 succeeds, 4000 0000 0000 0002 is declined,
4000 0000 0000 0341 is declined when it is charged.</p>
<button type="submit">{action}</button>
</form>
"""


def build_page_routes(server: Server, on_change: Callable[[], None]) -> list[Route]:
    pages = _Pages(server, on_change)
    return [
        Route("/assets/style.css", _serve_style),
        Route("/checkout/{session}", pages.show_checkout, methods=["GET"]),
        Route("/checkout/{session}", pages.pay, methods=["POST"]),
        Route("/invoices/{invoice}", pages.show_invoice, methods=["GET"]),
    ]


async def _serve_style(_request: Request) -> Response:
    return Response(STYLE, media_type="text/css")


class _Pages:
    def __init__(self, server: Server, on_change: Callable[[], None]) -> None:
        self._server = server
        self._on_change = on_change

    async def show_checkout(self, request: Request) -> Response:
        return self._render_checkout(request.path_params["session"])

    async def pay(self, request: Request) -> Response:
        identifier = request.path_params["session"]
        form = await read_form(request)
        number = "".join(filter(str.isdigit, form.get("number", "")))
        try:
            self._server.run_due()
            with self._server.unit_of_work(Cause()):
                session = self._server.api.store.get("checkout.session", identifier)
                complete(self._server.api, session, number=number, email=form.get("email"))
        except ApiError as error:
            return self._render_checkout(identifier, error=error)
        finally:
            self._on_change()
        return _redirect_to_success(session)

    async def show_invoice(self, request: Request) -> Response:
        invoice = self._server.api.store.find("invoice", request.path_params["invoice"])
        if invoice is None or invoice["status"] == "draft":
            return render_page("Invoice not found", "", status=404)
        currency = invoice["currency"]
        content = _table(
            [
                (line["description"] or "", money(line["amount"], currency))
                for line in invoice["lines"]["data"]
            ]
        )
        return render_page(
            f"Invoice {invoice['number']}",
            f"{content}<p>Total {money(invoice['total'], currency)}, {invoice['status']}.</p>",
        )

    def _render_checkout(self, identifier: str, error: ApiError | None = None) -> Response:
        self._server.run_due()
        store = self._server.api.store
        session = store.find("checkout.session", identifier)
        if session is None:
            return render_page("Checkout not found", "", status=404)
        if session["status"] != "open":
            words = "This checkout is complete." if session["subscription"] else "It has expired."
            return render_page("Checkout", f"<p>{words}</p>", status=410 if error is None else 400)
        customer = store.find("customer", session["customer"] or "")
        email = (customer or {}).get("email") or session["customer_email"] or ""
        currency = session["currency"]
        rows = [
            (
                item["description"],
                money(item["amount_total"], currency)
                if item["quantity"] is not None
                else "by usage",
            )
            for item in session["_line_items"]
        ]
        due = money(session["amount_total"], currency)
        back = escape(session["cancel_url"] or "")
        link = f'<p><a href="{back}">Back</a></p>' if back else ""
        return render_page(
            "Subscribe",
            _table([*rows, ("Due today", due)])
            + _FORM.format(email=escape(email), action=f"Pay {due}")
            + link,
            error=error.message if error else "",
            status=error.status if error else 200,
        )


def _redirect_to_success(session: Resource) -> Response:
    address = session["success_url"]
    if not address:
        return render_page("Thank you", "<p>The subscription has begun.</p>")
    filled = address.replace("{CHECKOUT_SESSION_ID}", session["id"])
    return RedirectResponse(filled, _SEE_OTHER)


def _table(rows: list[tuple[str, str]]) -> str:
    body = "".join(
        f"<tr><th scope='row'>{escape(text)}</th><td>{escape(value)}</td></tr>"
        for text, value in rows
    )
    return f"<table><tbody>{body}</tbody></table>"
