"""What an operator asks: why an invoice charges what it does, and what differs from Stripe."""

from datetime import UTC, datetime
from typing import Any

import pytest
from services.billing.tests.clocked_support import DAY, subscribe
from services.billing.tests.conftest import as_login
from services.billing.tests.integration.test_invoice_proofs import build_prove
from services.billing.tests.integration.test_reconciliation import Reconciliation, reconciliation
from services.billing.tests.metering_support import build_metering
from services.billing.tests.support import Billing
from stripe_support import API_KEY

from msaas.billing.operate import explain, reconcile
from msaas.billing.settings import SetUpSettings
from msaas.settings import load_settings

__all__ = ["reconciliation"]  # a fixture
UNAVAILABLE = 2


@pytest.fixture
def settings(billing: Billing, billing_url: str) -> SetUpSettings:
    return load_settings(
        SetUpSettings,
        {
            "ENVIRONMENT": "test",
            "DATABASE_URL": as_login(billing_url),
            "STRIPE_API_KEY": API_KEY,
            "BILLING_STRIPE_URL": billing.stripe.url,
        },
    )


async def test_an_invoice_is_explained_by_its_usage(
    billing: Billing, settings: SetUpSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    start = datetime(2027, 8, 3, 9, 0, 0, tzinfo=UTC)
    user = await subscribe(build_metering(billing), start)
    await user.advance_to(start + 10 * DAY)
    await user.use(9)
    corrected = user.ledger.events[0].job_id
    assert corrected is not None
    await user.metering.correct.record(corrected, "It was empty.")
    await user.metering.go_on(user.ledger)
    await user.end_period(await user.preview())
    params: Any = {"customer": user.customer_id, "limit": 1}
    invoice_id = str(billing.sdk.v1.invoices.list(params).data[0].id)
    await build_prove(billing)(invoice_id)

    assert await explain(settings, invoice_id) == 0
    output = capsys.readouterr().out
    assert "4 = 8 x 0.5; 1 reports of 8, 9 jobs, 1 corrected" in output
    assert f"head {user.ledger.events[-1].hash}, at Stripe since" in output
    assert output.endswith("\nexplained\n")

    await billing.rows.execute(
        "UPDATE billing.invoice_lines SET amount = 5 WHERE stripe_invoice_id = $1 AND is_metered",
        invoice_id,
    )
    assert await explain(settings, invoice_id) == 1
    [marked] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("!")]
    assert "5 = 8 x 0.5" in marked
    assert await explain(settings, "in_unknown") == 2


async def test_a_reconciliation_prints_what_differs(
    reconciliation: Reconciliation, settings: SetUpSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    await reconciliation.open_ledger()
    lost = await reconciliation.open_ledger()
    identifier = await reconciliation.lose(lost)
    for expected in (0, 1):
        await reconciliation.begin()  # the command goes on with a run that is there
        while (code := await reconcile(settings)) == UNAVAILABLE:
            capsys.readouterr()  # a machine that is busy for seconds is no discrepancy
        output = capsys.readouterr().out.splitlines()
        assert code == expected
        [finding] = [line for line in output if line.startswith(("OPEN", "healed"))]
        assert finding.startswith(f"{'OPEN' if expected else 'healed'} usage ours_ahead")
        assert identifier in finding or expected
        assert output[-1] == f"2 customers, 1 discrepancies, {expected} open"
        await reconciliation.billing.rows.execute(
            "UPDATE billing.meter_reports SET state = 'REJECTED' WHERE subject_id = $1",
            lost.subject_id,
        )
