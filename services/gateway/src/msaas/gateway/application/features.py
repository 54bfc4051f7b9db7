"""Which features are on for whom: read again every moment, decided in memory, refused in words."""

from collections.abc import Iterable
from typing import Final, Protocol

from msaas.flags import FeatureFlagDisabled, Overrides, Subject, Switches
from msaas.telemetry import Metrics, get_logger

_NEVER_READ: Final = ""


class FlagLookup(Protocol):
    async def read_mark(self) -> str:
        """Return a text that is another one after every change, and never empty."""
        ...

    async def read_overrides(self) -> Overrides: ...


class Features:
    def __init__(self, switches: Switches, flags: FlagLookup, metrics: Metrics) -> None:
        self.switches: Final = switches
        self._flags = flags
        self._mark = _NEVER_READ
        self._log = get_logger()
        self._refused = metrics.counter(
            "msaas_feature_refusals_total", "Requests for what a flag switches off.", ("flag",)
        )

    async def refresh(self) -> None:
        """Read the overrides, if there are news; the last ones hold while nobody answers."""
        mark = await self._flags.read_mark()
        if mark != self._mark:
            self.switches.replace(await self._flags.read_overrides())
            self._mark = mark

    async def ping(self) -> None:
        """Raise where what is switched on was never read."""
        self.switches.ensure_known()

    def find_refusal(self, flags: Iterable[str], subject: Subject) -> FeatureFlagDisabled | None:
        for name in flags:
            if not self.switches.is_on(name, subject):
                self._refused.labels(name).inc()
                self._log.info("feature_refused", flag=name, user_id=str(subject.user_id))
                return FeatureFlagDisabled(flag=name)
        return None

    def require(self, flags: Iterable[str], subject: Subject) -> None:
        if refusal := self.find_refusal(flags, subject):
            raise refusal
