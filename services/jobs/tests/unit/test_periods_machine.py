"""Under any sequence of events no periods overlap, and each job is counted in its own period."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from msaas.contracts import Plan, SubscriptionChanged
from msaas.jobs.domain.accounts import Account
from msaas.jobs.domain.errors import QuotaExceeded
from msaas.jobs.domain.ledgers import Ledger
from msaas.jobs.domain.periods import first_of_month, open_period
from msaas.jobs.domain.quota import Quota, resolve_limit
from msaas.jobs.domain.subjects import BillingSubject, UsageCounter

PROFILE = settings(
    deadline=None,
    derandomize=True,
    max_examples=100,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow],
)
START = datetime(2026, 1, 29, 22, tzinfo=UTC)
LIMIT = 3
STATUSES = ("active", "past_due", "unpaid", "canceled")


class PeriodStateMachine(RuleBasedStateMachine):
    """One user; the counters are written as the database writes them."""

    @initialize(plan=st.sampled_from(Plan))
    def begin(self, plan: Plan) -> None:
        self.now = START
        self.subject = BillingSubject(
            subject_id=UUID(int=1),
            user_id=UUID(int=2),
            plan=plan,
            terms={"jobs_per_period": LIMIT},
            period=open_period(plan, START),
        )
        self.counters: dict[datetime, UsageCounter] = {}
        self.under_way: list[datetime] = []
        self.ended: Counter[datetime] = Counter()
        self.changes: list[SubscriptionChanged] = []

    @rule(hours=st.integers(0, 24 * 40))
    def pass_time(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(count=st.integers(1, 5))
    def submit(self, count: int) -> None:
        """Take a batch in as intake does."""
        account = Account.open(self.subject, self._in_order(), self.now)
        for _ in range(count):
            had = account.quota
            try:
                self.under_way.append(account.reserve())
            except QuotaExceeded:
                assert had.limit is not None
                assert had.used + had.reserved >= had.limit
            else:
                assert had.limit is None or had.used + had.reserved < had.limit
        if account.reservation_changes:
            self._store(account)
            self._check_month()

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 99), completed=st.booleans())
    def settle(self, which: int, *, completed: bool) -> None:
        """End a job in the period of its reservation, however long ago."""
        start = self.under_way.pop(which % len(self.under_way))
        counter = self.counters[start]
        self.ended[start] += completed
        self._write(counter, used=completed, reserved=-1)

    @rule(
        plan=st.sampled_from(Plan),
        next_plan=st.none() | st.sampled_from(Plan),
        status=st.sampled_from(STATUSES),
        begun=st.integers(-3, 24 * 40),
        days=st.integers(1, 40),
        version=st.integers(1, 30),
    )
    def apply_change(
        self,
        plan: Plan,
        next_plan: Plan | None,
        status: str,
        begun: int,
        days: int,
        version: int,
    ) -> None:
        paid = plan is not Plan.FREE
        begins = self.now - timedelta(hours=begun)
        change = SubscriptionChanged(
            user_id=UUID(int=2),
            version=version,
            plan=plan,
            status=status,
            jobs_limit=LIMIT,
            period_start=begins if paid else None,
            period_end=begins + timedelta(days=days) if paid else None,
            next_plan=next_plan if paid else None,
        )
        self.changes.append(change)
        self._apply(change)

    @precondition(lambda self: self.changes)
    @rule(which=st.integers(0, 99))
    def apply_again(self, which: int) -> None:
        """Deliver an event again after others: it is not newer than the applied ones."""
        before = self.subject, dict(self.counters)
        self._apply(self.changes[which % len(self.changes)])
        assert (self.subject, self.counters) == before

    @invariant()
    def periods_never_overlap(self) -> None:
        periods = sorted(counter.period for counter in self.counters.values())
        assert all(period.start < period.end for period in periods)
        assert all(one.end <= later.start for one, later in pairwise(periods))

    @invariant()
    def every_job_is_counted_in_its_own_period(self) -> None:
        reserved = Counter(self.under_way)
        for start, counter in self.counters.items():
            assert counter.period.start == start
            assert counter.quota.reserved == reserved[start]
            assert counter.quota.used == self.ended[start]
        assert reserved.keys() <= self.counters.keys()

    @invariant()
    def nothing_is_counted_behind_the_present_period(self) -> None:
        assert all(start <= self.subject.period.start for start in self.counters)
        present = self.counters.get(self.subject.period.start)
        assert present is None or (present.plan, present.period) == (
            self.subject.plan,
            self.subject.period,
        )

    def _apply(self, change: SubscriptionChanged) -> None:
        ledger = Ledger(subject=self.subject, counters=self.counters, last_seq=0, head="0" * 64)
        if ledger.apply(change, self.now):
            assert self.subject.plan_version < ledger.subject.plan_version
            assert self.now < ledger.subject.period.end
        self.subject = ledger.subject

    def _check_month(self) -> None:
        """Check that a user who just got a job on FREE is within the quota of the month."""
        limit = resolve_limit(self.subject.plan, self.subject.terms)
        if self.subject.plan is Plan.FREE and limit is not None:
            month = first_of_month(self.subject.period.start)
            quotas = [
                one.quota
                for start, one in self.counters.items()
                if one.plan is Plan.FREE and start >= month
            ]
            assert sum(quota.used + quota.reserved for quota in quotas) <= limit

    def _in_order(self) -> list[UsageCounter]:
        return [self.counters[start] for start in sorted(self.counters)]

    def _store(self, account: Account) -> None:
        self.subject = account.subject
        if account.is_new:
            self.counters[account.period.start] = UsageCounter(
                account.subject.plan, account.period, Quota(limit=account.quota.limit)
            )
        for start, change in account.reservation_changes.items():
            self._write(self.counters[start], reserved=change)

    def _write(self, counter: UsageCounter, *, used: int = 0, reserved: int = 0) -> None:
        quota = counter.quota
        changed = Quota(
            limit=quota.limit, used=quota.used + used, reserved=quota.reserved + reserved
        )
        self.counters[counter.period.start] = counter._replace(quota=changed)


def test_no_reservation_is_lost_and_no_period_overlaps() -> None:
    run_state_machine_as_test(PeriodStateMachine, settings=PROFILE)
