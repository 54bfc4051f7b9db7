"""Feature flags with their overrides, which are read from the database every few seconds."""

from collections.abc import Iterable
from typing import Final, Protocol

from msaas.flags import FeatureFlagDisabled, FeatureFlags, FlagContext, Overrides
from msaas.telemetry import Metrics, get_logger

_NO_VERSION: Final = ""


class FlagLookup(Protocol):
    async def get_version(self) -> str:
        """Return a text that differs after every change, and is never empty."""
        ...

    async def load_overrides(self) -> Overrides: ...


class Features:
    def __init__(self, switches: FeatureFlags, flags: FlagLookup, metrics: Metrics) -> None:
        self.switches: Final = switches
        self._flags = flags
        self._version = _NO_VERSION
        self._log = get_logger()
        self._refused = metrics.counter(
            "msaas_feature_refusals_total", "Requests refused by a feature flag.", ("flag",)
        )

    async def refresh(self) -> None:
        """Read the overrides if they changed; if the database is unavailable, keep the old ones."""
        version = await self._flags.get_version()
        if version != self._version:
            self.switches.set_overrides(await self._flags.load_overrides())
            self._version = version

    async def ping(self) -> None:
        """Raise if the overrides were never read."""
        self.switches.ensure_loaded()

    def find_refusal(
        self, flags: Iterable[str], subject: FlagContext
    ) -> FeatureFlagDisabled | None:
        for name in flags:
            if not self.switches.is_enabled(name, subject):
                self._refused.labels(name).inc()
                self._log.info("feature_refused", flag=name, user_id=str(subject.user_id))
                return FeatureFlagDisabled(flag=name)
        return None

    def require(self, flags: Iterable[str], subject: FlagContext) -> None:
        if refusal := self.find_refusal(flags, subject):
            raise refusal
