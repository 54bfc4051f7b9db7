"""A stand-in runs here unless the environment names the real service."""

from pathlib import Path

import pytest

from msaas.local import Home
from msaas.local.fleet import Fleet
from msaas.local.services import Services


def _assemble(folder: Path, environment: dict[str, str]) -> tuple[set[str], dict[str, str | None]]:
    """Return the names of the parts, and the addresses of external services."""
    fleet = Fleet()
    Services(Home(folder), environment, fleet, lambda _: None).add()
    parts = {part.name for part in fleet.parts}
    return parts, {state.name: state.url for state in fleet.external}


def test_both_stand_ins_run_without_accounts(tmp_path: Path) -> None:
    parts, external = _assemble(tmp_path, {})
    assert {"identity", "stripe"} <= parts
    assert external == {}


@pytest.mark.parametrize(
    ("variable", "value", "name", "url"),
    [
        ("SUPABASE_URL", "https://a.supabase.co", "identity", "https://a.supabase.co"),
        ("STRIPE_API_KEY", "sk_test_real", "stripe", "https://api.stripe.com"),
    ],
)
def test_an_account_replaces_its_stand_in(
    tmp_path: Path, variable: str, value: str, name: str, url: str
) -> None:
    parts, external = _assemble(tmp_path, {variable: value})
    assert name not in parts
    assert external == {name: url}
