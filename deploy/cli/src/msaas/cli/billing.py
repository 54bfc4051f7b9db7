"""`./msaas billing`: what is sold at Stripe, what differs from it, and what an invoice charges."""

import os
import subprocess
from argparse import ArgumentParser

from msaas.local.errors import report_errors
from msaas.local.programs import module_command
from msaas.local.running_fleet import get_billing_environment


@report_errors
def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas billing", description=__doc__)
    parser.add_argument("act", choices=("setup", "reconcile", "explain"))
    given, rest = parser.parse_known_args(argv)
    settings = get_billing_environment(os.environ)
    command = [*module_command("billing"), given.act, *rest]
    return subprocess.run(command, env={**os.environ, **settings}, check=False).returncode
