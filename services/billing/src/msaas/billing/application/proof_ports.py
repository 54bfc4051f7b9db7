"""What proofs of invoices need: their store, a signing key, and the invoice at Stripe."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from msaas.billing.domain.proofs import ChainEntry, InvoiceToProve, SignedProof


class ProofStore(Protocol):
    async def list_due(self, limit: int) -> Sequence[str]:
        """List the final invoices that are to be proved, or whose head is not at Stripe yet."""
        ...

    async def find(self, invoice_id: str) -> InvoiceToProve | None:
        """Return None where nothing is left to do."""
        ...

    async def list_subjects(self, invoice_id: str) -> Sequence[UUID]:
        """List the subjects whose reported usage lies within the invoice's metered lines."""
        ...

    def read_entries(
        self, invoice_id: str, subject_id: UUID
    ) -> AsyncIterator[Sequence[ChainEntry]]:
        """Read the entries since the last proof, up to the last one that the invoice charges."""
        ...

    async def store(self, invoice_id: str, proofs: Sequence[SignedProof]) -> None:
        """Store proofs, unless another process has."""
        ...

    async def finish(self, invoice_id: str) -> None: ...

    async def postpone(self, invoice_id: str, delay: timedelta) -> None: ...


class Signer(Protocol):
    @property
    def key_id(self) -> str: ...

    @property
    def public_key(self) -> str: ...

    def sign(self, content: bytes) -> bytes: ...


class InvoiceMetadata(Protocol):
    async def write(self, invoice_id: str, metadata: Mapping[str, str]) -> None:
        """Set keys of the invoice's metadata; a repeat changes nothing."""
        ...
