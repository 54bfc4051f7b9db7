"""Stripe's invoices as the port `InvoiceMetadata`."""

from collections.abc import Mapping

from msaas.billing.adapters.stripe.client import StripeClient


class StripeInvoices:
    def __init__(self, client: StripeClient) -> None:
        self._client = client
        self._invoices = client.sdk.v1.invoices

    async def write(self, invoice_id: str, metadata: Mapping[str, str]) -> None:
        """Send without a durable key, which would return a failed answer again."""
        await self._client.call(
            "write_invoice_metadata",
            lambda: self._invoices.update_async(invoice_id, {"metadata": dict(metadata)}),
        )
