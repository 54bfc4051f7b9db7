"""Rotates the signing keys without invalidating tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from msaas.identity.application.ports import SigningKeys
from msaas.identity.domain.signing_keys import KeyUse, SigningKey, rotate_signing_keys
from msaas.kernel import Clock
from msaas.telemetry import get_logger


@dataclass(frozen=True, slots=True)
class RotateKeys:
    keys: SigningKeys
    new_key: Callable[[KeyUse, datetime], SigningKey]
    clock: Clock

    async def ensure_keys(self) -> None:
        """Create the first two keys where there are none."""
        now = self.clock.now()

        def begin(keys: Sequence[SigningKey]) -> Sequence[SigningKey]:
            return keys or [self.new_key(use, now) for use in (KeyUse.CURRENT, KeyUse.STANDBY)]

        await self.keys.change(begin)

    async def rotate(self, *, at_once: bool = False) -> Sequence[SigningKey]:
        now = self.clock.now()
        fresh = self.new_key(KeyUse.STANDBY, now)
        keys = await self.keys.change(
            lambda keys: rotate_signing_keys(keys, fresh, now, at_once=at_once)
        )
        get_logger().info("signing_keys_rotated", keys={key.kid: str(key.use) for key in keys})
        return keys
