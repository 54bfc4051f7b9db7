"""The state of a flag that the gateway publishes and that workers act on."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msaas.flags.catalogue import FLAGS
from msaas.flags.feature_flags import Overrides


class FlagState(StrEnum):
    """`ON` is on for at least some users: the gateway decides for whom when a job is submitted."""

    DEFAULT = "default"
    ON = "on"
    OFF = "off"


def summarise_overrides(overrides: Overrides) -> Mapping[str, FlagState]:
    """Return every flag's state; one without an override has its environment's default."""
    states = dict.fromkeys(FLAGS, FlagState.DEFAULT)
    states |= {name: FlagState.ON for (name, _), rollout in overrides.items() if not rollout.is_off}
    states |= {
        name: FlagState.OFF
        for (name, scope), rollout in overrides.items()
        if scope == "global" and rollout.is_off
    }
    return states


class PublishedFlags:
    """What was published last; the environment's defaults apply until a state is known."""

    def __init__(self, defaults: Mapping[str, bool]) -> None:
        self._defaults = defaults
        self._states: dict[str, FlagState] = {}

    def update(self, states: Mapping[str, FlagState]) -> None:
        """Replace the given states; a flag that is not among them keeps its last state."""
        self._states.update(states)

    def find_disabled(self, names: Iterable[str]) -> str | None:
        return next((name for name in names if not self._is_enabled(name)), None)

    def _is_enabled(self, name: str) -> bool:
        state = self._states.get(name, FlagState.DEFAULT)
        return self._defaults[name] if state is FlagState.DEFAULT else state is FlagState.ON
