"""Time as the objects see it: the server's own, or that of a test clock, and what becomes due."""

import heapq
from collections.abc import Callable, Iterable
from itertools import count

from msaas.kernel import Clock
from msaas.stripe.domain.resources import Resource

DueRule = Callable[[Resource], int | None]

SERVER_TIME = ""


class Timeline:
    """Each test clock is a domain of its own; everything else follows the server's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset = 0
        self._frozen: dict[str, int] = {}
        self._running: dict[str, int] = {}
        self._due: dict[str, list[tuple[int, int, str]]] = {}
        self._order = count()
        self._rules: dict[str, DueRule] = {}
        self._excluded: set[str] = set()

    def add_rule(self, kind: str, rule: DueRule) -> None:
        """Say when an object of this kind next changes by itself."""
        self._rules[kind] = rule

    def wall(self) -> float:
        """Return the real time, which signs and schedules deliveries."""
        return self._clock.now().timestamp()

    def now(self, domain: str | None = None) -> int:
        domain = domain or SERVER_TIME
        if domain in self._running:
            return self._running[domain]
        if domain in self._frozen:
            return self._frozen[domain]
        return int(self.wall()) + self.offset

    def freeze(self, domain: str, at: int) -> None:
        self._frozen[domain] = at

    def drop(self, domain: str) -> None:
        self._frozen.pop(domain, None)
        self._due.pop(domain, None)

    def schedule(self, documents: Iterable[Resource]) -> None:
        for document in documents:
            rule = self._rules.get(document["object"])
            at = rule(document) if rule else None
            if at is not None:
                queue = self._due.setdefault(domain_of(document), [])
                heapq.heappush(queue, (at, next(self._order), document["id"]))

    def next_due(self, domain: str) -> int | None:
        queue = self._due.get(domain)
        return queue[0][0] if queue else None

    def pop_due(self, domain: str, until: int) -> tuple[int, str] | None:
        queue = self._due.get(domain)
        if not queue or queue[0][0] > until:
            return None
        at, _, identifier = heapq.heappop(queue)
        return at, identifier

    def is_due(self, document: Resource, at: int) -> bool:
        rule = self._rules.get(document["object"])
        is_excluded = document["id"] in self._excluded
        return rule is not None and not is_excluded and rule(document) == at

    def exclude(self, identifier: str) -> None:
        """Let an object no longer change by itself in this process."""
        self._excluded.add(identifier)

    def run_at(self, domain: str, at: int) -> None:
        """Make `now` return `at` in the domain until `end_run`."""
        self._running[domain] = at

    def end_run(self, domain: str) -> None:
        self._running.pop(domain, None)


def domain_of(document: Resource) -> str:
    return document.get("test_clock") or document.get("_test_clock") or SERVER_TIME
