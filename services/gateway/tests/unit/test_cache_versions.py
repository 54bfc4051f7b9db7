"""A view is cached under a version, and every change of its user increases the version."""

from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from msaas.gateway.application.cache_versions import VERSION_RETENTION_MS, CacheVersions
from msaas.gateway.domain.replay_buffer import StreamPosition

USERS = [UUID(int=number) for number in range(3)]
TTL_MS = VERSION_RETENTION_MS // 2


def test_before_the_log_is_followed_nothing_may_be_kept() -> None:
    changes = CacheVersions()
    assert changes.find_version(uuid4()) is None
    changes.start_at("5-0")
    assert changes.find_version(uuid4()) == "5-0"


def test_a_change_affects_only_its_user() -> None:
    changes, ann, bob = CacheVersions(), *USERS[:2]
    changes.start_at("5-0")
    changes.record_change(ann, StreamPosition(7, 0))
    assert (changes.find_version(ann), changes.find_version(bob)) == ("7-0", "5-0")


def test_after_a_gap_every_cache_version_is_new() -> None:
    changes, ann, bob = CacheVersions(), *USERS[:2]
    changes.start_at("5-0")
    changes.record_change(ann, StreamPosition(7, 0))
    before = {changes.find_version(ann), changes.find_version(bob)}
    changes.reset()
    assert not before & {changes.find_version(ann), changes.find_version(bob)}


def test_the_versions_of_inactive_users_are_removed() -> None:
    changes = CacheVersions()
    changes.start_at("1-0")
    for number in range(1000):
        changes.record_change(UUID(int=number), StreamPosition(number, 0))
    changes.record_change(USERS[0], StreamPosition(VERSION_RETENTION_MS + 2000, 0))
    assert len(changes) == 1


class CachedViews(RuleBasedStateMachine):
    """A model of the cache that never returns a view older than a change."""

    @initialize()
    def begin(self) -> None:
        self.changes = CacheVersions()
        self.now = 1
        self.changes.start_at("1-0")
        self.truth = dict.fromkeys(USERS, 0)
        self.kept: dict[tuple[UUID, str], tuple[int, int]] = {}

    @rule(user=st.sampled_from(USERS))
    def change(self, user: UUID) -> None:
        self.now += 1
        self.truth[user] += 1
        self.changes.record_change(user, StreamPosition(self.now, 0))

    @rule(ms=st.integers(1, 2 * VERSION_RETENTION_MS))
    def let_time_pass(self, ms: int) -> None:
        self.now += ms

    @rule()
    def handle_gap(self) -> None:
        self.now += 1
        self.truth = {user: seen + 1 for user, seen in self.truth.items()}
        self.changes.reset()

    @rule(user=st.sampled_from(USERS))
    def read(self, user: UUID) -> None:
        key = (user, str(self.changes.find_version(user)))
        until, seen = self.kept.get(key, (0, 0))
        if self.now >= until:
            until, seen = self.now + TTL_MS, self.truth[user]
            self.kept[key] = until, seen
        assert seen == self.truth[user]

    @invariant()
    def remembers_few(self) -> None:
        assert len(self.changes) <= len(USERS)


TestCachedViews = CachedViews.TestCase
