"""What the routes of invoices read, with the permissions of the user."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from uuid import UUID

from msaas.gateway.application.ports import Row


class InvoiceViews(Protocol):
    async def list_invoices(
        self, user_id: UUID, after: str | None, limit: int
    ) -> Sequence[Row]: ...

    async def find_invoice(self, user_id: UUID, invoice_id: str) -> Row | None:
        """Return the invoice with its `lines`."""
        ...

    async def list_jobs(
        self, user_id: UUID, invoice_id: str, after: UUID | None, limit: int
    ) -> Sequence[Row]:
        """List the jobs that the invoice charges, by their ids, each with its line."""
        ...

    async def list_proofs(self, user_id: UUID, invoice_id: str) -> Sequence[Row]: ...

    def read_links(self, user_id: UUID, proof: Row) -> AsyncIterator[Sequence[str]]:
        """Read the entries of a proof as JSON, a page after the other."""
        ...
