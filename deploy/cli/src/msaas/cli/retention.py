"""`./msaas retention`: counts or removes what the services no longer have to keep."""

import json
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, Final

from msaas.embedded import LocalError
from msaas.local.programs import module_command
from msaas.local.running_fleet import get_owner_environment

LOGINS: Final[Mapping[str, str]] = {
    "agents": "svc_agents",
    "billing": "svc_billing",
    "gateway": "svc_gateway",
    "jobs": "svc_jobs",
}
"""The owners of data, and the login with which each removes its own."""


def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas retention", description=__doc__)
    parser.add_argument("act", choices=("plan", "run"))
    parser.add_argument("--owner", choices=sorted(LOGINS), help="one owner only")
    given = parser.parse_args(argv)
    print(f"{'owner':<9}{'class':<24}{'due' if given.act == 'plan' else 'removed':>12}  kept")
    return max(_run(owner, given.act) for owner in ([given.owner] if given.owner else LOGINS))


def _run(owner: str, act: str) -> int:
    """Run the owner's own program: its code, its login, its tables."""
    try:
        command = [*module_command(owner), "retention", act]
        settings = get_owner_environment(os.environ, LOGINS[owner])
    except LocalError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 2
    done = subprocess.run(
        command, env={**os.environ, **settings}, check=False, stdout=subprocess.PIPE, text=True
    )
    for line in done.stdout.splitlines():
        print(_format(json.loads(line)))
    return done.returncode


def _format(line: Mapping[str, Any]) -> str:
    failed = "  ✗ left early, see the log" if line["has_failed"] else ""
    return f"{line['owner']:<9}{line['data_class']:<24}{line['rows']:>12,}  {line['kept']}{failed}"
