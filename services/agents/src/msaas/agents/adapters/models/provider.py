"""What the gateway asks of one provider, and how a request to it fails.

ProviderFailed     another request may succeed, here or at the next provider
ProviderRefused    the same request fails again here; the next provider may take it
"""

from dataclasses import dataclass
from typing import Final, Protocol

from msaas.agents.application.ports import OnToken
from msaas.agents.domain.models import Finish, ModelRequest, TokenUsage
from msaas.kernel import MsaasError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """`usage` is None where the provider has counted nothing."""

    text: str
    finish: Finish = "stop"
    usage: TokenUsage | None = None


class Provider(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    def most_usage(self, request: ModelRequest) -> TokenUsage:
        """Return the most that one request can use."""
        ...

    async def ask(self, request: ModelRequest, on_text: OnToken) -> ProviderAnswer:
        """Send one request; raise ProviderFailed or ProviderRefused."""
        ...

    async def close(self) -> None: ...


class ProviderFailed(MsaasError):
    """`may_cost`: the provider may have worked on the request, and so charge it."""

    code = "dependency_unavailable"
    retryable = True

    def __init__(
        self, reason: str, *, may_cost: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__("A language model does not answer.", reason=reason)
        self.reason: Final = reason
        self.may_cost: Final = may_cost
        self.retry_after: Final = retry_after


class ProviderRefused(MsaasError):
    code = "dependency_refused"

    def __init__(self, reason: str) -> None:
        super().__init__("A language model's provider refuses the request.", reason=reason)
        self.reason: Final = reason
