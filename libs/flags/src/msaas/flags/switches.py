"""Whether a flag is on for somebody: decided in the process, from what was read last."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from msaas.flags.catalogue import FLAGS, Flag
from msaas.flags.errors import FeatureFlagDisabled, FlagsUnknown, UnknownFlag
from msaas.flags.rollout import EVERYBODY, NOBODY, Rollout

Overrides = Mapping[tuple[str, str], Rollout]
"""By the names of flag and scope."""

_OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks; `asked` are the dark flags that the request names."""

    user_id: UUID
    plan: str
    role: str
    asked: frozenset[str] = frozenset()


class Switches:
    """Off for everybody wins over all else; then the user's, the plan's, the global override.

    Before the first reading nothing is known, and nothing is guessed: what on-call has switched
    off must not come back with a restart.
    """

    def __init__(self, defaults: Mapping[str, bool]) -> None:
        self._defaults = {flag.name: flag.default for flag in FLAGS.values()} | dict(defaults)
        self._overrides: Overrides | None = None

    @property
    def defaults(self) -> Mapping[str, bool]:
        return self._defaults

    def replace(self, overrides: Overrides) -> None:
        self._overrides = overrides

    def ensure_known(self) -> None:
        if self._overrides is None:
            raise FlagsUnknown(target="flags")

    def require(self, name: str, subject: Subject) -> None:
        if not self.is_on(name, subject):
            raise FeatureFlagDisabled(flag=name)

    def is_on(self, name: str, subject: Subject) -> bool:
        if (flag := FLAGS.get(name)) is None:
            raise UnknownFlag
        if self._overrides is None:
            raise FlagsUnknown(target="flags")
        for_all = self._overrides.get((name, "global"))
        if for_all is not None and for_all.is_off:
            return False
        own = self._overrides.get((name, f"user:{subject.user_id}"))
        if own is not None and (own.is_off or not flag.dark):
            return not own.is_off
        of_plan = self._overrides.get((name, f"plan:{subject.plan}"))
        rollout = of_plan or for_all or (EVERYBODY if self._defaults[name] else NOBODY)
        if rollout.reaches(name, subject.user_id):
            return True
        is_operator = rollout.internal and subject.role == _OPERATOR
        return (is_operator or own is not None) and _is_asked_for(flag, subject)


def _is_asked_for(flag: Flag, subject: Subject) -> bool:
    return not flag.dark or flag.name in subject.asked
