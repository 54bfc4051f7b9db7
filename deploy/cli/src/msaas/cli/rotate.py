"""`./msaas rotate`: rotates the key that seals the secrets of new jobs."""

import os
from argparse import ArgumentParser

from msaas.local import find_home
from msaas.local.credentials import rotate_sealing_key


def run(argv: list[str]) -> int:
    ArgumentParser("msaas rotate").parse_args(argv)
    key = rotate_sealing_key(find_home(os.environ).secrets)
    print(f"new jobs are sealed with key {key.public.id} after ./msaas down and ./msaas up")
    return 0
