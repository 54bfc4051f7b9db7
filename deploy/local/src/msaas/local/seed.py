"""`./msaas seed`: a demo user with a few jobs, and an operator; safe to repeat."""

import asyncio
import os
import subprocess
from argparse import ArgumentParser

from msaas.contracts import Plan
from msaas.embedded import LocalError
from msaas.local.api_client import ApiClient
from msaas.local.errors import report_errors
from msaas.local.programs import module_command
from msaas.local.running_fleet import RunningFleet, get_running_fleet

PAGES = ("/", "/article", "/list")
_PASSWORD_VARIABLE = "MSAAS_SEED_PASSWORD"  # noqa: S105  # a variable's name


@report_errors
def run(argv: list[str]) -> int:
    ArgumentParser("msaas seed", description=__doc__).parse_args(argv)
    fleet = get_running_fleet(os.environ)
    seed_user(fleet, fleet.email, fleet.password, "--plan", Plan.PRO)
    seed_user(fleet, fleet.operator_email, fleet.operator_password, "--role", "operator")
    asyncio.run(seed_jobs(fleet))
    print(f"seeded: {fleet.email} with {len(PAGES) + 1} jobs, {fleet.operator_email}")
    return 0


def seed_user(fleet: RunningFleet, email: str, password: str, *options: str) -> None:
    """Create or change a user with the identity server's own command."""
    settings = {
        "DATABASE_URL": fleet.identity_database_url,
        "ENVIRONMENT": "local",
        _PASSWORD_VARIABLE: password,
    }
    command = [*module_command("identity"), "seed-user", "--email", email]
    command += ["--password-env", _PASSWORD_VARIABLE, *options]
    if subprocess.run(command, env={**os.environ, **settings}, check=False).returncode:
        raise LocalError(f"The user {email} could not be created.")


async def seed_jobs(fleet: RunningFleet) -> None:
    """Submit under fixed keys, so that a second run finds the jobs of the first."""
    async with ApiClient(fleet.gateway_url, fleet.supabase_url, fleet.anon_key) as api:
        await api.sign_in(fleet.email, fleet.password)
        for page in PAGES:
            params = {"url": f"{fleet.site_url}{page}"}
            await api.submit("navigate_and_extract_text", params, key=f"seed-{params['url']}")
        await api.submit("echo", {"message": "Hello from the seed."}, key="seed-echo")
