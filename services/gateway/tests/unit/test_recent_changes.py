"""A view is kept under a mark, and every change of its user gives it another one."""

from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from msaas.gateway.application.recent_changes import KEPT_MS, RecentChanges
from msaas.gateway.domain.rings import Place

USERS = [UUID(int=number) for number in range(3)]
TTL_MS = KEPT_MS // 2


def test_before_the_log_is_followed_nothing_may_be_kept() -> None:
    changes = RecentChanges()
    assert changes.find_mark(uuid4()) is None
    changes.begin("5-0")
    assert changes.find_mark(uuid4()) == "5-0"


def test_a_change_concerns_its_own_user_alone() -> None:
    changes, ann, bob = RecentChanges(), *USERS[:2]
    changes.begin("5-0")
    changes.note(ann, Place(7, 0))
    assert (changes.find_mark(ann), changes.find_mark(bob)) == ("7-0", "5-0")


def test_after_a_gap_every_mark_is_new() -> None:
    changes, ann, bob = RecentChanges(), *USERS[:2]
    changes.begin("5-0")
    changes.note(ann, Place(7, 0))
    before = {changes.find_mark(ann), changes.find_mark(bob)}
    changes.lose_track()
    assert not before & {changes.find_mark(ann), changes.find_mark(bob)}


def test_users_of_whom_nothing_was_heard_are_forgotten() -> None:
    changes = RecentChanges()
    changes.begin("1-0")
    for number in range(1000):
        changes.note(UUID(int=number), Place(number, 0))
    changes.note(USERS[0], Place(KEPT_MS + 2000, 0))
    assert len(changes) == 1


class Keeping(RuleBasedStateMachine):
    """Keeps views as the cache does, and never shows one that is older than a change."""

    @initialize()
    def begin(self) -> None:
        self.changes = RecentChanges()
        self.now = 1
        self.changes.begin("1-0")
        self.truth = dict.fromkeys(USERS, 0)
        self.kept: dict[tuple[UUID, str], tuple[int, int]] = {}

    @rule(user=st.sampled_from(USERS))
    def change(self, user: UUID) -> None:
        self.now += 1
        self.truth[user] += 1
        self.changes.note(user, Place(self.now, 0))

    @rule(ms=st.integers(1, 2 * KEPT_MS))
    def let_time_pass(self, ms: int) -> None:
        self.now += ms

    @rule()
    def lose_track(self) -> None:
        self.now += 1
        self.truth = {user: seen + 1 for user, seen in self.truth.items()}
        self.changes.lose_track()

    @rule(user=st.sampled_from(USERS))
    def read(self, user: UUID) -> None:
        place = (user, str(self.changes.find_mark(user)))
        until, seen = self.kept.get(place, (0, 0))
        if self.now >= until:
            until, seen = self.now + TTL_MS, self.truth[user]
            self.kept[place] = until, seen
        assert seen == self.truth[user]

    @invariant()
    def remembers_few(self) -> None:
        assert len(self.changes) <= len(USERS)


TestKeeping = Keeping.TestCase
