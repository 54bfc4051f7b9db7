"""The hosted pages in a real browser: a person subscribes, changes the plan, cancels, returns."""

import re
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stripe
from playwright.async_api import Page, async_playwright, expect
from stripe_support import Catalogue, RunningStripe

from msaas.browser_worker import find_chromium

# A busy machine pauses; nothing here is measured.
PATIENCE = 60_000.0


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE)
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page
        await browser.close()
    # A refused card answers 402, which the browser logs.
    assert [problem for problem in problems if "402" not in problem] == []


def _checkout(client: stripe.StripeClient, catalogue: Catalogue, back: str) -> Any:
    customer = client.v1.customers.create({"email": f"{uuid4().hex}@example.com"})
    return client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "success_url": f"{back}?session={{CHECKOUT_SESSION_ID}}",
            "cancel_url": back,
            "line_items": [{"price": catalogue.flat, "quantity": 1}, {"price": catalogue.metered}],
            "subscription_data": {"metadata": {"user": "one"}},
            "client_reference_id": "one",
        }
    )


async def test_a_person_subscribes_changes_the_plan_and_cancels(
    page: Page, server: RunningStripe, client: stripe.StripeClient, catalogue: Catalogue
) -> None:
    back = f"{server.url}/assets/style.css"
    session = _checkout(client, catalogue, back)
    await page.goto(session.url)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Subscribe")
    await expect(page.get_by_role("row", name="Due today")).to_contain_text("29.00 USD")
    await page.get_by_label("Card number").fill("4000 0000 0000 0002")
    await page.get_by_role("button", name="Pay 29.00 USD").click()
    await expect(page.get_by_role("alert")).to_contain_text("declined")
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    await page.get_by_label("Card number").fill("4242 4242 4242 4242")
    await page.get_by_role("button", name="Pay 29.00 USD").click()
    await page.wait_for_url(f"{back}?session={session.id}")
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    subscription: Any = done.subscription
    assert (done.status, done.payment_status) == ("complete", "paid")
    assert (subscription.status, subscription.metadata.user) == ("active", "one")

    configuration = client.v1.billing_portal.configurations.create(
        {
            "features": {
                "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
                "subscription_update": {
                    "enabled": True,
                    "default_allowed_updates": ["price"],
                    "proration_behavior": "always_invoice",
                    "products": [
                        {
                            "product": catalogue.product,
                            "prices": [catalogue.flat, catalogue.larger],
                        }
                    ],
                    "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
                },
            }
        }
    )
    customer = str(subscription.customer)
    portal = client.v1.billing_portal.sessions.create(
        {"customer": customer, "configuration": configuration.id, "return_url": back}
    )
    await page.goto(portal.url)
    await page.get_by_label("New plan").select_option(label="Pro, 99.00 USD a month")
    await page.get_by_role("button", name="Change the plan").click()
    await expect(page.get_by_role("heading", level=2).first).to_have_text("Pro, 99.00 USD a month")
    await page.get_by_role("button", name="Cancel the subscription").click()
    await expect(page.get_by_text(re.compile("active, ends on"))).to_be_visible()
    assert client.v1.subscriptions.retrieve(subscription.id).cancel_at_period_end
    await page.get_by_role("button", name="Keep the subscription").click()
    await expect(page.get_by_text(re.compile("active, renews on"))).to_be_visible()
    assert not client.v1.subscriptions.retrieve(subscription.id).cancel_at_period_end
    # A smaller plan waits for the end of the period.
    await page.get_by_role("button", name="Change the plan").click()
    await expect(page.get_by_role("heading", level=2).first).to_have_text("Pro, 99.00 USD a month")
    scheduled = client.v1.subscriptions.retrieve(subscription.id, {"expand": ["schedule"]})
    schedule: Any = scheduled.schedule
    assert [phase["items"][0].price for phase in schedule.phases] == [
        catalogue.larger,
        catalogue.flat,
    ]
    await page.get_by_role("link", name="Return").click()
    await page.wait_for_url(back)


def test_a_delayed_payment_completes_the_session_unpaid_and_settles_later(
    server: RunningStripe, client: stripe.StripeClient, catalogue: Catalogue
) -> None:
    session = _checkout(client, catalogue, "http://back")
    done = server.control("complete-checkout", session=session.id, settles_later=True)
    assert (done["status"], done["payment_status"]) == ("complete", "unpaid")
    assert client.v1.subscriptions.retrieve(done["subscription"]).status == "incomplete"
    settled = server.control("settle-checkout", session=session.id, succeeds=True)
    assert settled["payment_status"] == "paid"
    assert client.v1.subscriptions.retrieve(done["subscription"]).status == "active"


def test_an_open_session_expires_and_its_page_says_so(
    client: stripe.StripeClient, catalogue: Catalogue
) -> None:
    session = _checkout(client, catalogue, "http://back")
    expired = client.v1.checkout.sessions.expire(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    answer = httpx.get(session.url, trust_env=False, timeout=60)
    assert answer.status_code == 410
    assert "It has expired" in answer.text


def test_names_are_escaped_on_the_pages(client: stripe.StripeClient, server: RunningStripe) -> None:
    product = client.v1.products.create({"name": "<script>alert(1)</script>"})
    price = client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 1,
            "recurring": {"interval": "month"},
        }
    )
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer_email": "a@example.com",
            "success_url": "http://back",
            "cancel_url": 'http://"<b>',
            "line_items": [{"price": price.id, "quantity": 1}],
            "expires_at": int(time.time()) + 3_600,
        }
    )
    assert session.url
    answer = httpx.get(session.url, trust_env=False, timeout=60)
    assert "<script" not in answer.text
    assert "<b>" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
