"""Watches the epoch of the broker, for owners who publish again when Redis lost its data."""

from collections.abc import Awaitable, Callable, Sequence

from msaas.contracts import EPOCH_CREATOR, epoch_key
from msaas.kernel import new_id
from msaas.messaging.loop import ConsumerContext
from msaas.telemetry import get_logger

EpochListener = Callable[[str], Awaitable[None]]


class EpochWatcher:
    """Calls every listener with the epoch at the start and when Redis may have lost its data.

    A listener that raises is called again, with the epoch of that time, until it returns.
    """

    def __init__(self, context: ConsumerContext, listeners: Sequence[EpochListener]) -> None:
        self._broker = context.broker
        self._key = epoch_key(context.environment)
        self._is_creator = context.process == EPOCH_CREATOR
        self._notified: dict[EpochListener, str] = dict.fromkeys(listeners, "")

    async def step(self) -> None:
        epoch = await self._broker.epoch(self._key, new_id().hex if self._is_creator else None)
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
