"""`./msaas metrics`: what a running part counts, as its monitoring reads it."""

import os
import sys
from argparse import ArgumentParser

import httpx

from msaas.embedded import LocalError
from msaas.local.home import find_home
from msaas.local.state import find_state


def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas metrics")
    parser.add_argument("part", help="jobs, jobs-worker or browser-worker")
    parser.add_argument("name", nargs="*", help="only metrics that begin so")
    options = parser.parse_args(argv)
    try:
        lines = _read(options.part).splitlines()
    except (LocalError, httpx.HTTPError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    names = tuple(options.name) or ("",)
    print(*(one for one in lines if not one.startswith("#") and one.startswith(names)), sep="\n")
    return 0


def _read(part: str) -> str:
    state = find_state(find_home(os.environ).state_path)
    parts = {one.name: one.url for one in state.parts if one.url} if state else {}
    if part not in parts:
        raise LocalError(f"No part `{part}` runs here.")
    answer = httpx.get(f"{parts[part]}/metrics", timeout=5)
    if answer.is_error:
        raise LocalError(f"{part} shows no metrics at {parts[part]}: {answer.status_code}.")
    return answer.text
