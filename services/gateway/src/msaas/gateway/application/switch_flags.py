"""Operators' word on a flag: until when the environment's default holds, and for whom."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msaas.flags import FLAGS, FlagScope, Rollout, UnknownFlag
from msaas.gateway.application.audit import Act, Caller, describe_act
from msaas.gateway.application.ports import Row
from msaas.kernel import Clock, SystemClock


class FlagRecord(Protocol):
    """Every change is kept together with its audit record, or not at all."""

    async def set(self, name: str, scope: FlagScope, rollout: Rollout, act: Act) -> None: ...

    async def unset(self, name: str, scope: FlagScope, act: Act) -> None:
        """Change and tell nothing where nothing was set."""
        ...

    async def list_overrides(self) -> Sequence[Row]: ...


class SwitchFlags:
    def __init__(
        self,
        record: FlagRecord,
        on_change: Callable[[], Awaitable[None]],
        clock: Clock | None = None,
    ) -> None:
        self._record = record
        self._on_change = on_change
        self._clock = clock or SystemClock()

    async def set(
        self, by: Caller, name: str, scope: FlagScope, rollout: Rollout, reason: str
    ) -> None:
        said = {"percent": rollout.percent, "internal": rollout.internal, "reason": reason}
        act = self._describe(by, "flag.set", name, scope, **said)
        await self._record.set(name, scope, rollout, act)
        await self._on_change()

    async def unset(self, by: Caller, name: str, scope: FlagScope) -> None:
        await self._record.unset(name, scope, self._describe(by, "flag.unset", name, scope))
        await self._on_change()

    async def list_overrides(self) -> Sequence[Row]:
        return await self._record.list_overrides()

    def _describe(self, by: Caller, action: str, name: str, scope: FlagScope, **said: Any) -> Act:
        if name not in FLAGS:
            raise UnknownFlag
        return describe_act(by, action, ("flag", name), self._clock, scope=str(scope), **said)
