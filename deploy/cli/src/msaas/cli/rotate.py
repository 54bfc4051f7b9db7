"""`./msaas rotate`: another key for the secrets of new jobs."""

import os
from argparse import ArgumentParser

from msaas.local import find_home
from msaas.local.kept_secrets import turn_sealing_key_over


def run(argv: list[str]) -> int:
    ArgumentParser("msaas rotate").parse_args(argv)
    key = turn_sealing_key_over(find_home(os.environ).secrets)
    print(f"new jobs are sealed with key {key.public.id} after ./msaas down and ./msaas up")
    return 0
