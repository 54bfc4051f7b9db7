"""Decides in memory whether a flag is on for a user, from the overrides read last."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from msaas.flags.catalogue import FLAGS, Flag
from msaas.flags.errors import FlagsUnavailable, UnknownFlag
from msaas.flags.rollout import ALL_USERS, NO_USERS, Rollout

Overrides = Mapping[tuple[str, str], Rollout]
"""Rollouts by flag name and scope."""

_OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class FlagContext:
    """The user of a request, and the dark flags that the request names."""

    user_id: UUID
    plan: str
    role: str
    requested_flags: frozenset[str] = frozenset()


class FeatureFlags:
    """A global "off" wins; then the user's, the plan's and the global override apply, in order.

    Until the overrides are read, every query raises FlagsUnavailable: a restart must not enable a
    flag that an operator has disabled.
    """

    def __init__(self, defaults: Mapping[str, bool]) -> None:
        self._defaults = {flag.name: flag.default for flag in FLAGS.values()} | dict(defaults)
        self._overrides: Overrides | None = None

    @property
    def defaults(self) -> Mapping[str, bool]:
        return self._defaults

    @property
    def overrides(self) -> Overrides:
        """Raise FlagsUnavailable before they have been read once."""
        if self._overrides is None:
            raise FlagsUnavailable(target="flags")
        return self._overrides

    def set_overrides(self, overrides: Overrides) -> None:
        self._overrides = overrides

    def ensure_loaded(self) -> None:
        if self._overrides is None:
            raise FlagsUnavailable(target="flags")

    def is_enabled(self, name: str, context: FlagContext) -> bool:
        if (flag := FLAGS.get(name)) is None:
            raise UnknownFlag
        overrides = self.overrides
        global_override = overrides.get((name, "global"))
        if global_override is not None and global_override.is_off:
            return False
        user_override = overrides.get((name, f"user:{context.user_id}"))
        if user_override is not None and (user_override.is_off or not flag.dark):
            return not user_override.is_off
        plan_override = overrides.get((name, f"plan:{context.plan}"))
        rollout = (
            plan_override or global_override or (ALL_USERS if self._defaults[name] else NO_USERS)
        )
        if rollout.includes(name, context.user_id):
            return True
        is_operator = rollout.internal and context.role == _OPERATOR
        return (is_operator or user_override is not None) and _is_requested(flag, context)


def _is_requested(flag: Flag, context: FlagContext) -> bool:
    return not flag.dark or flag.name in context.requested_flags
