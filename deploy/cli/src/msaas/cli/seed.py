"""`./msaas seed`: a demo user with a few jobs behind them, and an operator; safe to repeat."""

import asyncio
import os
import sys
from argparse import ArgumentParser

from msaas.cli.api_client import ApiClient
from msaas.contracts import Plan
from msaas.identity.bootstrap import configure_command_logging, seed_user
from msaas.identity.settings import Settings
from msaas.kernel import MsaasError
from msaas.local.running_fleet import RunningFleet, get_running_fleet
from msaas.settings import load_settings

PAGES = ("/", "/article", "/list")


def run(argv: list[str]) -> int:
    ArgumentParser("msaas seed").parse_args(argv)
    try:
        fleet = get_running_fleet(os.environ)
        asyncio.run(seed(fleet))
    except MsaasError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print(f"seeded: {fleet.email} with {len(PAGES) + 1} jobs, {fleet.operator_email}")
    return 0


async def seed(fleet: RunningFleet) -> None:
    given = {"DATABASE_URL": fleet.identity_database_url, "ENVIRONMENT": "local"}
    settings = load_settings(Settings, {**os.environ, **given})
    configure_command_logging(settings)
    await seed_user(settings, fleet.email, fleet.password, plan=Plan.PRO, role=None)
    await seed_user(
        settings, fleet.operator_email, fleet.operator_password, plan=None, role="operator"
    )
    await seed_jobs(fleet)


async def seed_jobs(fleet: RunningFleet) -> None:
    """Submit under fixed keys, so that a second run finds the jobs of the first."""
    async with ApiClient(fleet.gateway_url, fleet.supabase_url, fleet.anon_key) as api:
        await api.sign_in(fleet.email, fleet.password)
        for page in PAGES:
            params = {"url": f"{fleet.site_url}{page}"}
            await api.submit("navigate_and_extract_text", params, key=f"seed{page}")
        await api.submit("echo", {"message": "Hello from the seed."}, key="seed-echo")
