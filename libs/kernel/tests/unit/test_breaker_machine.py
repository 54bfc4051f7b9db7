"""Tries a breaker against a plain model, in any order of calls, ends and waits."""

import asyncio
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from msaas.kernel import Breaker, BreakerPolicy, CircuitOpen, CircuitState
from msaas.testing import FakeClock

LIMIT: Final = 3
OPEN_SECONDS: Final = 30.0


class Calls(RuleBasedStateMachine):
    """Calls overlap: each is begun by one rule and ended by another."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.breaker = Breaker(
            "target",
            BreakerPolicy(consecutive_failures=LIMIT, open_seconds=OPEN_SECONDS),
            self.clock,
        )
        self.state = CircuitState.CLOSED
        self.in_a_row = 0
        self.next_probe = 0.0
        self.term = 0
        self.calls: list[tuple[int, asyncio.Future[BaseException | None], asyncio.Task[None]]] = []

    @rule()
    def begin(self) -> None:
        due = self.clock.monotonic() >= self.next_probe
        admitted = self.state is CircuitState.CLOSED or due
        if self.state is not CircuitState.CLOSED and due:
            self.enter(CircuitState.HALF_OPEN)
        ending: asyncio.Future[BaseException | None] = self.loop.create_future()
        task = self.loop.create_task(self.call(ending))
        self.settle()
        if admitted:
            assert not task.done()
            self.calls.append((self.term, ending, task))
        else:
            assert isinstance(task.exception(), CircuitOpen)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), how=st.sampled_from(["succeed", "fail", "cancel"]))
    def end(self, data: st.DataObject, how: str) -> None:
        term, ending, task = self.calls.pop(
            data.draw(st.integers(0, len(self.calls) - 1), label="which call")
        )
        if how == "cancel":
            task.cancel()
        else:
            ending.set_result(OSError() if how == "fail" else None)
        self.settle()
        assert task.done()
        if not task.cancelled():
            task.exception()
        if term == self.term:
            self.heed(how)

    @rule(seconds=st.sampled_from([1.0, 10.0, OPEN_SECONDS]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert self.breaker.state is self.state

    @invariant()
    def never_refuses_for_longer_than_its_term(self) -> None:
        assert self.next_probe - self.clock.monotonic() <= OPEN_SECONDS

    def teardown(self) -> None:
        for _, _, task in self.calls:
            task.cancel()
        self.settle()
        self.loop.close()

    async def call(self, ending: "asyncio.Future[BaseException | None]") -> None:
        async with self.breaker:
            if error := await ending:
                raise error

    def heed(self, how: str) -> None:
        probing = self.state is CircuitState.HALF_OPEN
        match how:
            case "cancel":
                self.next_probe = self.clock.monotonic() if probing else self.next_probe
            case "succeed":
                self.in_a_row = 0
                if probing:
                    self.enter(CircuitState.CLOSED)
            case _:
                self.in_a_row += 1
                if probing or self.in_a_row >= LIMIT:
                    self.enter(CircuitState.OPEN)

    def enter(self, state: CircuitState) -> None:
        self.state = state
        self.term += 1
        self.in_a_row = 0
        self.next_probe = self.clock.monotonic() + OPEN_SECONDS

    def settle(self) -> None:
        self.loop.run_until_complete(self.clock.advance(0))


Calls.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestBreakerMachine = Calls.TestCase
