"""`./msaas metrics`: prints the metrics that a running part exposes."""

import os
from argparse import ArgumentParser

import httpx

from msaas.embedded import LocalError
from msaas.local.errors import report_errors
from msaas.local.home import find_home
from msaas.local.state import find_state


@report_errors
def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas metrics")
    parser.add_argument("part", help="jobs, jobs-worker or browser-worker")
    parser.add_argument("name", nargs="*", help="only metrics whose name begins with NAME")
    options = parser.parse_args(argv)
    lines = _read(options.part).splitlines()
    names = tuple(options.name) or ("",)
    samples = (line for line in lines if not line.startswith("#"))
    print(*(sample for sample in samples if sample.startswith(names)), sep="\n")
    return 0


def _read(part: str) -> str:
    state = find_state(find_home(os.environ).state_path)
    parts = {each.name: each.url for each in state.parts if each.url} if state else {}
    if part not in parts:
        raise LocalError(f"No part `{part}` is running.")
    try:
        answer = httpx.get(f"{parts[part]}/metrics", timeout=5)
    except httpx.HTTPError as error:
        raise LocalError(str(error)) from error
    if answer.is_error:
        raise LocalError(f"{part} exposes no metrics at {parts[part]}: {answer.status_code}.")
    return answer.text
