"""Watches the epoch of the broker, for owners who publish again when Redis lost its data."""

from collections.abc import Awaitable, Callable, Sequence

from msaas.kernel import new_id
from msaas.redis.keys import Keys
from msaas.telemetry import get_logger

EpochListener = Callable[[str], Awaitable[None]]


class EpochWatcher:
    """Calls every listener with the epoch at the start and when Redis may have lost its data.

    A listener that raises is called again, with the epoch of that time, until it returns.
    """

    def __init__(
        self, keys: Keys, key: str, listeners: Sequence[EpochListener], *, is_creator: bool
    ) -> None:
        self._keys, self._key, self._is_creator = keys, key, is_creator
        self._notified: dict[EpochListener, str] = dict.fromkeys(listeners, "")

    async def step(self) -> None:
        epoch = await self._keys.epoch(self._key, new_id().hex if self._is_creator else None)
        if epoch is None:  # its creator is away
            return
        failures: list[Exception] = []
        for listener in [each for each, known in self._notified.items() if known != epoch]:
            get_logger().info("broker_epoch_changed", epoch=epoch)
            try:
                await listener(epoch)
                self._notified[listener] = epoch
            except Exception as error:  # noqa: BLE001  # a failing listener delays no other
                failures.append(error)
        if failures:
            raise failures[0]
