"""Stripe's credit notes as the port `Credits`: each correction has one."""

from typing import Any, Final
from uuid import UUID

from msaas.billing.adapters.stripe.client import StripeClient
from msaas.billing.adapters.stripe.objects import read_list, read_map
from msaas.billing.domain.corrections import InvoicedUsage

CORRECTION_ID: Final = "correction_id"
"""The key of a note's metadata that names the correction."""

PAGE_SIZE: Final = 100


class StripeCredits:
    def __init__(self, client: StripeClient) -> None:
        self._client = client
        self._notes = client.sdk.v1.credit_notes

    async def credit(self, correction_id: UUID, usage: InvoicedUsage, amount: int) -> str:
        """Look for the note first: Stripe forgets an idempotency key after a while."""
        if found := await self._find(correction_id, usage.invoice_id):
            return found
        params: Any = {
            "invoice": usage.invoice_id,
            "metadata": {CORRECTION_ID: str(correction_id)},
            "lines": [
                {"type": "invoice_line_item", "invoice_line_item": usage.line_id, "amount": amount}
            ],
            **({"credit_amount": amount} if usage.is_paid else {}),
        }
        note = await self._client.call(
            "credit_usage",
            lambda: self._notes.create_async(
                params, {"idempotency_key": f"correction:{correction_id}"}
            ),
        )
        return note.id

    async def _find(self, correction_id: UUID, invoice_id: str) -> str | None:
        page: Any = await self._client.call(
            "list_credit_notes",
            lambda: self._notes.list_async({"invoice": invoice_id, "limit": PAGE_SIZE}),
        )
        while True:
            for note in read_list(page.to_dict()):
                if read_map(note.get("metadata")).get(CORRECTION_ID) == str(correction_id):
                    return str(note["id"])
            if not page.has_more:
                return None
            after: str = page.data[-1].id
            page = await self._client.call(
                "list_credit_notes",
                lambda after=after: self._notes.list_async(
                    {"invoice": invoice_id, "limit": PAGE_SIZE, "starting_after": after}
                ),
            )
