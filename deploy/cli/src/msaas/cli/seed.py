"""`./msaas seed`: a demo user with a few jobs behind them, and an operator; safe to repeat."""

import asyncio
import os
import subprocess
import sys
from argparse import ArgumentParser

from msaas.cli.api_client import ApiClient
from msaas.cli.house import module
from msaas.local.errors import LocalError
from msaas.local.running import RunningFleet, get_running

PAGES = ("/", "/article", "/list")


def run(argv: list[str]) -> int:
    ArgumentParser("msaas seed").parse_args(argv)
    try:
        fleet = get_running(os.environ)
        seed_user(fleet, fleet.email, fleet.password, "--plan", "PRO")
        seed_user(fleet, fleet.operator_email, fleet.operator_password, "--role", "operator")
        asyncio.run(seed_jobs(fleet))
    except LocalError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print(f"seeded: {fleet.email} with {len(PAGES) + 1} jobs, {fleet.operator_email}")
    return 0


def seed_user(fleet: RunningFleet, email: str, password: str, *said: str) -> None:
    words = ["seed-user", "--email", email, "--password-env", "SEED_PASSWORD"]
    settings = {"DATABASE_URL": fleet.identity_database_url, "SEED_PASSWORD": password}
    done = subprocess.run(
        [*module("msaas.identity"), *words, *said],
        env={**os.environ, "ENVIRONMENT": "local", **settings},
        check=False,
    )
    if done.returncode:
        raise LocalError(f"{email} could not be made.")


async def seed_jobs(fleet: RunningFleet) -> None:
    """Submit under fixed keys, so that a second run finds the jobs of the first."""
    async with ApiClient(fleet.gateway_url, fleet.supabase_url, fleet.anon_key) as api:
        await api.sign_in(fleet.email, fleet.password)
        for page in PAGES:
            params = {"url": f"{fleet.site_url}{page}"}
            await api.submit("navigate_and_extract_text", params, key=f"seed{page}")
        await api.submit("echo", {"message": "Hello from the seed."}, key="seed-echo")
