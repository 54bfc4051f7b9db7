"""A preview equals the invoice that the stand-in makes under its test clock, to the cent."""

from datetime import UTC, datetime, timedelta

import pytest
from services.billing.tests.clocked_support import DAY, subscribe
from services.billing.tests.metering_support import Metering, build_metering
from services.billing.tests.support import Billing

from msaas.contracts import Plan


@pytest.fixture
def metering(billing: Billing) -> Metering:
    return build_metering(billing)


@pytest.mark.parametrize(
    "start",
    [
        datetime(2027, 3, 10, 12, 30, 45, tzinfo=UTC),  # clocks change in March
        datetime(2028, 1, 31, 23, 59, 30, tzinfo=UTC),  # a leap day ends the period
    ],
    ids=["clock_change", "leap_day"],
)
async def test_previews_equal_invoices_across_renewal_upgrade_and_downgrade(
    metering: Metering, start: datetime
) -> None:
    user = await subscribe(metering, start)
    await user.advance_to(start + 12 * DAY)
    await user.use(133)  # 66.5 cents: half a cent is rounded once, for the whole line
    renewal = await user.preview()
    assert renewal.total == 2_000 + 67
    assert await user.end_period(renewal) == renewal.total

    await user.use(7)
    await user.advance_to(user.now + 9 * DAY + timedelta(seconds=12_345))
    await user.use(10)
    upgrade = await user.preview(Plan.ENTERPRISE)
    assert [line.kind for line in upgrade.lines] == ["metered", "proration", "proration"]
    await user.billing.change_plan(user.user_id, Plan.ENTERPRISE)
    await user.billing.apply_all(user.user_id)
    assert await user.read_last_total() == upgrade.total

    await user.advance_to(user.now + DAY)
    await user.use(3, Plan.ENTERPRISE)
    at_enterprise = await user.preview()
    assert at_enterprise.total == 50_000 + 1
    await user.billing.change_plan(user.user_id, Plan.PRO)
    downgrade = await user.preview()
    assert downgrade.total == 2_000 + 1
    assert await user.end_period(downgrade) == downgrade.total

    await user.use(4, Plan.PRO)
    await user.billing.change_plan(user.user_id, Plan.FREE)
    last = await user.preview()
    assert last.total == 2  # nothing follows a cancelled plan
    assert await user.end_period(last) == last.total
    assert (await user.preview()).total == 0
    assert user.billing.stripe.violations == []


async def test_the_end_of_a_trial_charges_the_plan_and_none_of_the_trials_usage(
    metering: Metering,
) -> None:
    start = datetime(2027, 10, 25, 8, 0, 0, tzinfo=UTC)
    user = await subscribe(metering, start, trial_days=14)
    await user.advance_to(start + 5 * DAY)
    await user.use(50)
    trial = await user.preview()
    assert (trial.total, trial.due_at) == (2_000, start + 14 * DAY)
    assert await user.end_period(trial) == trial.total
    await user.advance_to(start + 20 * DAY)
    await user.use(501)
    first = await user.preview()
    assert first.total == 2_000 + 251
    assert await user.end_period(first) == first.total
