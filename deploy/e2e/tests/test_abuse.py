"""Hostile bodies, connections, robots.txt files and pages cost little and lock nobody out."""

import pytest

from msaas.dev.abuse import ATTACKS, SHORT, run_attacks
from msaas.dev.chaos import IsolatedFleet

SEED = 1


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_no_attack_costs_too_much_or_locks_an_honest_client_out(
    fleet: IsolatedFleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run the attacks of `./msaas abuse --short` one after the other."""
    passed = await run_attacks(fleet, ATTACKS, SHORT, seed=SEED)
    output = capsys.readouterr().out
    assert passed, output
    assert all(f"✓ {attack.name}" in output for attack in ATTACKS)
    assert output.endswith("✓ the fleet is unharmed\n")
